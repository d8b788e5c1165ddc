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
        "prune what no configured study uses"
    script:
        "../../scripts/prune.py"


rule plan:
    log:
        layout.log("plan"),
    conda:
        "../../envs/cpu.yaml"
    message:
        "plan a run: what it would cost and what hinders it"
    script:
        "../../scripts/plan.py"


# A job of its own on a cluster, where the machine that submits says nothing of the nodes.
rule doctor:
    log:
        layout.log("doctor"),
    conda:
        "../../envs/cpu.yaml"
    resources:
        gpu=1,
    message:
        "check the machine that jobs on GPUs would run on"
    script:
        "../../scripts/doctor.py"
