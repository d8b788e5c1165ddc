# Spectra of task vectors.


rule measure_spectra:
    input:
        base=lambda wildcards: manifest_of_model(wildcards.base),
        model=lambda wildcards: manifest_of_model(wildcards.model),
    output:
        spectra=f"{RESULTS}/spectra/{{base}}/{{model}}.parquet",
    log:
        f"{RESULTS}/logs/measure_spectra/{{base}}/{{model}}.log",
    benchmark:
        f"{RESULTS}/timings/measure_spectra/{{base}}/{{model}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: experiment.config.merge_threads
    params:
        code=code_digest("measure_spectra.py"),
    message:
        "measure the spectra of {wildcards.model} − {wildcards.base}"
    script:
        "../../scripts/measure_spectra.py"


rule draw_spectra:
    input:
        spectra=f"{RESULTS}/spectra/{{base}}/{{model}}.parquet",
    output:
        html=report(
            f"{RESULTS}/figures/spectra/{{base}}/{{model}}.html",
            caption="../report/spectra.rst",
            category="spectra",
            labels={"output": "{model} − {base}"},
        ),
        svg=f"{RESULTS}/figures/spectra/{{base}}/{{model}}.svg",
        png=f"{RESULTS}/figures/spectra/{{base}}/{{model}}.png",
    log:
        f"{RESULTS}/logs/draw_spectra/{{base}}/{{model}}.log",
    benchmark:
        f"{RESULTS}/timings/draw_spectra/{{base}}/{{model}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("draw_spectra.py"),
        title=lambda wildcards: titled(f"Task vector {wildcards.model} − {wildcards.base}"),
    message:
        "draw the spectra of {wildcards.model} − {wildcards.base}"
    script:
        "../../scripts/draw_spectra.py"
