"""`stackc generate`: token after token from the decoding step of an artifact, without PyTorch.

stepper.py     the step of an artifact as a session that keeps its states
sampling.py    the choice of a token from its logits
text.py        texts as ids and ids as texts, by the tokenizer of an artifact
generating.py  all of these: prompts to tokens, one by one
"""
