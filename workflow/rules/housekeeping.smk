# Targets to be called by name; nothing depends on them.


# They answer at once, on a cluster as well.
localrules:
    plan,
    prune,


rule prune:
    log:
        layout.log("prune"),
    conda:
        "../../envs/cpu.yaml"
    message:
        "look for what no configured study uses"
    script:
        "../../scripts/prune.py"


rule plan:
    log:
        layout.log("plan"),
    conda:
        "../../envs/cpu.yaml"
    message:
        "estimate what a run would cost"
    script:
        "../../scripts/plan.py"
