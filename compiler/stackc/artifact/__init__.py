"""The artifact, `exported/NAME/`: the folder, what is in it, and how it is verified.

folder.py       file names, sealing, running a built model
atomic.py       a folder that appears whole or not at all
manifest.py     manifest.json
lock.py         spec.lock.yaml
verify.py       hashes, checker, recorded outputs
report_page.py  report.html
"""
