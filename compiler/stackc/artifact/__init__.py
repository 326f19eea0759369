"""The artifact `exported/NAME/`: its files, how they are written, verified and run.

folder.py          names of the files, sealing, loading, running a built model
atomic.py          write a folder completely or not at all
manifest.py        manifest.json
lock.py            spec.lock.yaml
identity.py        what an ONNX file says about itself, apart from its folder
verify.py          hashes, ONNX checker, recorded outputs
report_page.py     report.html
model_card.py      a card for the Hugging Face hub
overlays.py        times and errors of a build, to colour a drawing by
built.py           a finished build, as it is returned
proving.py         the proof and the timing of the file, and what they record beside it
packaging.py       the last stage of a build: everything into the folder
build_options.py   the options of a build
stage_files.py     the files of a build that stops early
stored_weights.py  parameters read back from the model
weight_privacy.py  what private training says of weights
normed_weights.py  g and v of a weight that weight_norm made, taken apart
"""
