# Spectra of task vectors.


rule measure_spectra:
    input:
        base=lambda wildcards: layout.manifest(fetched(wildcards.base)),
        model=lambda wildcards: layout.manifest(fetched(wildcards.model)),
    output:
        spectra=layout.spectra("{base}", "{model}"),
    log:
        layout.log("measure_spectra", "{base}/{model}"),
    benchmark:
        layout.timing("measure_spectra", "{base}/{model}")
    conda:
        "../../envs/cpu.yaml"
    threads: experiment.config.merge_threads
    params:
        code=lambda wildcards: code_digest("measure_spectra.py"),
    message:
        "measure the spectra of {wildcards.model} − {wildcards.base}"
    script:
        "../../scripts/measure_spectra.py"


rule draw_spectra:
    input:
        spectra=layout.spectra("{base}", "{model}"),
    output:
        html=layout.spectra_figure("{base}", "{model}"),
        svg=report(
            layout.spectra_figure("{base}", "{model}", "svg"),
            caption="../report/spectra.rst",
            category="spectra",
            labels={"output": "{model} − {base}"},
        ),
        png=layout.spectra_figure("{base}", "{model}", "png"),
    log:
        layout.log("draw_spectra", "{base}/{model}"),
    benchmark:
        layout.timing("draw_spectra", "{base}/{model}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("draw_spectra.py"),
        page=page_digest("chart.html.j2"),
        title=lambda wildcards: experiment.config.titled(f"Task vector {wildcards.model} − {wildcards.base}"),
    message:
        "draw the spectra of {wildcards.model} − {wildcards.base}"
    script:
        "../../scripts/draw_spectra.py"
