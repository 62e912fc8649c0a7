"""Adapt the shipped network to a line of one's own, from its marked calls.

``python -m training.adapt --config my.toml``. From a few hundred calls to a model file, or to the
finding that the old one is as good::

    manifest → calls as the old network hears them → folds of whole groups
             → for each depth: learn without a fold, go part of the way, hear the fold
             → the depth and the share of the way that serve calls not learnt from
             → guard: better with confidence, and no general skill lost
             → learn from all calls → rule fitted to calls not learnt from → checkpoint, model.onnx
"""
