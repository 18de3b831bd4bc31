"""Files of other tools, as these wrote them."""

# Written by pyperf 2.10 itself: a calibration run without values, then two workers.
PYPERF = {
    "version": "1.0",
    "metadata": {"unit": "second", "cpu_model_name": "Example CPU", "cpu_count": 4},
    "benchmarks": [
        {
            "metadata": {"name": "sort", "loops": 2},
            "runs": [
                {"metadata": {"calibrate_loops": 2, "date": "2026-01-02 03:04:05.000000"}, "warmups": [[1, 0.1]]},
                {"metadata": {"date": "2026-01-02 03:04:06.000000"}, "values": [0.25, 0.5]},
                {"metadata": {"date": "2026-01-02 03:04:07.000000"}, "values": [0.125]},
            ],
        }
    ],
}
# Written by hyperfine 1.18 itself, two runs of sleep.
HYPERFINE = {
    "results": [
        {
            "command": "sleep 0.1",
            "mean": 0.1023,
            "stddev": 0.0004,
            "median": 0.1023,
            "user": 0.0005,
            "system": 0.0006,
            "min": 0.102,
            "max": 0.1026,
            "times": [0.102, 0.1026],
            "exit_codes": [0, 0],
        }
    ]
}
# The layout of asv 0.6's results, format 2: a benchmark with two values of its parameter, the second one failed.
ASV = {
    "version": 2,
    "commit_hash": "0123456789abcdef",
    "env_name": "virtualenv-py3.11",
    "date": 1767323045000,
    "params": {"cpu": "Example CPU", "num_cpu": "4", "os": "Linux 6.1", "python": "3.11"},
    "result_columns": ["result", "params", "version", "samples"],
    "results": {"sorting.time_sort": [[0.25, None], [["10", "20"]], "1", [[2.5e-7, 2.6e-7], None]]},
    "durations": {},
}
