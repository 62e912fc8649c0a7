"""A model file that hears silence, tones and voices apart.

:mod:`tests.training.readout` makes it.
"""

from pathlib import Path

from audio_model.rule import Calibration, DecisionRule, OperatingPoint

MODEL = Path(__file__).with_suffix(".onnx")

RULE = DecisionRule(
    calibration=Calibration((0.4, 1.0, 2.0), (0.5, 1.0, 1.5), (0.1, 0.0, -0.2)),
    operating_points=(
        OperatingPoint(0.01, recorded_at=0.9, live_at=0.1, false_alarm=0.01, miss=0.5, passed=0.05),
        OperatingPoint(0.1, recorded_at=0.6, live_at=0.4, false_alarm=0.1, miss=0.1, passed=0.05),
    ),
)
"""The decision rule in the file."""
