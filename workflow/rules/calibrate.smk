# Calibrations: statistics of models on calibration data, which some merging methods read.


rule calibrate:
    input:
        models=lambda wildcards: [layout.manifest(fetched(model)) for model in wildcards.measured.split("/")],
        calibration_data=layout.calibration_data("{calibration_data}"),
    output:
        manifest=layout.calibration("{kind}/{measured}/{calibration_data}-{answer}"),
    log:
        layout.log("calibrate", "{kind}/{measured}/{calibration_data}-{answer}"),
    benchmark:
        layout.timing("calibrate", "{kind}/{measured}/{calibration_data}-{answer}")
    conda:
        "../../envs/cpu.yaml"
    threads: experiment.config.calibration_threads
    resources:
        gpu=calibration_gpus,
    params:
        code=lambda wildcards: code_digest("calibrate.py", [kind_module(wildcards.kind, "calibration")]),
        entry=lambda wildcards: experiment.registry.calibration_data(wildcards.calibration_data).model_dump(mode="json"),
    message:
        "calibrate {wildcards.measured}: {wildcards.kind} on the {wildcards.answer} answers of {wildcards.calibration_data} (log: {log})"
    script:
        "../../scripts/calibrate.py"
