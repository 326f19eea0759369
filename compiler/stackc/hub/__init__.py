"""The way in: a folder of Hugging Face, or a GGUF, becomes a spec with its weights and its tokenizer.

zoo.py            the specs that ship with stackc
catalog.py        what real builds of the zoo came to
families.py       the specs of the zoo that implement a config
config.py         a config.json
config_keys.py    keys that every config may have
config_params.py  the params of a spec out of a config
spec_text.py      the text of a spec with other defaults, its comments kept
model_source.py   a folder as transformers saves it: config, weights, tokenizer
gguf_source.py    a GGUF: its metadata as a config
gguf_tokenizer.py  the tokenizer of a GGUF, written out
drafts.py         a spec of the zoo with the sizes of a config, checked
recording.py      what the class of transformers computes
comparing.py      `--check`: build, and compare with it
write_files.py    the files of an import, all or none
importing.py      `stackc import`: from a folder to a spec
"""
