"""The recorder of time travel: runs inside somebody's training, so it loads NumPy only.

``torch_pass`` and ``keras_pass`` hold what needs a framework; they are imported where that
framework is in use already.
"""
