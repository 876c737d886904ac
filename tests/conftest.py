"""What all tests share: property tests that are the same at every run, and without a time limit."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "minicnn",
    derandomize=True,  # a test that fails today fails tomorrow
    deadline=None,  # a busy machine is no failure
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("minicnn")
