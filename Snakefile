# Reproduces "Unlocking Efficient Long-to-Short LLM Reasoning with Model Merging" (arXiv 2503.20641).
#
#   snakemake --cores 8 --resources gpu=4                    the paper (config/config.yaml)
#   snakemake --cores 8 --resources gpu=4 -- table_1         one study
#   snakemake --cores 2 --configfile config/demo.yaml        the demo, on a laptop; takes nothing from config/config.yaml
#
# Each file of workflow/rules holds one stage; what they have in common is in common.smk.


# Another configuration stands alone: Snakemake would put its keys on top of the paper's.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


rule all:
    input:
        [path for study in experiment.targets for path in experiment.outputs(study, layout)],
        [layout.audit("index", "html")] if in_all(audited) else [],
    message:
        "all studies of the configuration are there"


include: "workflow/rules/sources.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/merge.smk"
include: "workflow/rules/spectra.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/decode.smk"
include: "workflow/rules/grade.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/housekeeping.smk"
include: "workflow/rules/runs.smk"


onstart:
    stop_without_gpus(workflow.dag)
    occupy_results()
    say_outlook(workflow.dag)
    lift_rate_limit()


onsuccess:
    record_run(succeeded=True)
    show_results(workflow.dag)


onerror:
    record_run(succeeded=False)
    say_how_to_go_on()


check_targets()
tell_missing_records()


# Every study is a target of its own name.
for study in experiment.targets:

    rule:
        name:
            study
        input:
            experiment.outputs(study, layout),
        message:
            f"the study {study} is there"
