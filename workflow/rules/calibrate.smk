# Calibrations: statistics of models on calibration data, which some merging methods read.


rule calibrate:
    input:
        models=lambda wildcards: [manifest_of_model(model) for model in wildcards.measured.split("/")],
        samples=f"{RESULTS}/calibration/data/{{samples}}.parquet",
    output:
        manifest=f"{RESULTS}/calibration/{{kind}}/{{measured}}/{{samples}}-{{answer}}.json",
    log:
        f"{RESULTS}/logs/calibrate/{{kind}}/{{measured}}/{{samples}}-{{answer}}.log",
    benchmark:
        f"{RESULTS}/timings/calibrate/{{kind}}/{{measured}}/{{samples}}-{{answer}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: catalog.config.calibration_threads
    resources:
        gpu=1 if catalog.config.calibration_device == "cuda" else 0,
    params:
        code=lambda wildcards: code_digest("calibrate.py", [f"l2s.calibration.{wildcards.kind}"]),
        entry=lambda wildcards: catalog.entries.samples(wildcards.samples).model_dump(mode="json"),
    message:
        "measure {wildcards.kind} of {wildcards.measured} on {wildcards.samples}, {wildcards.answer} answers"
    script:
        "../../scripts/calibrate.py"
