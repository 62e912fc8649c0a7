"""What makes a model: manifest, split, training, calibration, evaluation, export."""
