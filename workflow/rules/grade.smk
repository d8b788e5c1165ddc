# Grades: what became of each response.


rule grade:
    input:
        responses=layout.responses("{checkpoint}", "{decoding}"),
        questions=questions_asked,
    output:
        grades=layout.grades("{checkpoint}", "{decoding}", "{grader}"),
    log:
        layout.log("grade", "{checkpoint}/{decoding}/{grader}"),
    benchmark:
        layout.timing("grade", "{checkpoint}/{decoding}/{grader}")
    conda:
        "../../envs/cpu.yaml"
    threads: 2
    params:
        store=layout.verdicts("{checkpoint}", "{decoding}"),
        code=lambda wildcards: code_digest("grade.py", [grader_module(wildcards.grader, "grader")]),
        packages=package_versions(LIBRARIES),
    message:
        "grade the responses of {wildcards.checkpoint}, {wildcards.decoding}"
    script:
        "../../scripts/grade.py"
