"""Examples: columns of files become batches that are held to the inputs of the spec.

column_store.py  what a file of examples is: columns by name, rows by number
open_store.py    which kind a path is
arrays.py        .npz, .safetensors, and tokens in an .npy: views of the file
tables.py        .csv, .tsv, .jsonl and .parquet through Arrow: converted once, then read where they lie
image_folder.py  a folder with one folder of images for each class
own_dataset.py   a Dataset of the user's own, which `--trust` lets run
decoding.py      images, waveforms and texts as arrays
input_reader.py  the rows of an input from its columns
collating.py     rows of different lengths in one array: filled up, or joined
buckets.py       the order of the examples in an epoch, with rows of similar length together
prefetch.py      batches that threads prepare while others are trained on
"""
