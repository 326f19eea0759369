"""What components run as in a step along a sequence, which takes new entries and what is kept of earlier ones.

attention.py  causal attention of new positions, with the keys and values of earlier ones
positions.py  where the new entries stand, and what is made of that

A spec cannot name them: `Component.step_form` returns them, for the pass that derives a step. Their ports are those of
the component, then `positions` if it counts them and has no such port, then one for each state, in the order of its
`Along`; their outputs are those of the component, then the next states.
"""
