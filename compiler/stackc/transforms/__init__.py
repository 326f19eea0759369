"""Program → Program.

decoding_step.py  the step of a model that generates: new entries and states in, outputs and states out
"""
