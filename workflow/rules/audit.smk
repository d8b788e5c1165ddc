# Published numbers beside ours.

if audited:

    rule audit:
        input:
            tables=[path for files in audited.tables.values() for path in (files.table, files.comparisons)],
            noise=list(audited.noise.values()),
            published=sorted(map(str, Path("config/published", audited.published).glob("*.csv"))),
        output:
            index=layout.audit("index", "html"),
            tables=[
                layout.audit(table, suffix)
                for table in published_tables(audited.published)
                for suffix in ("parquet", "csv", "html")
            ],
        log:
            layout.log("audit"),
        benchmark:
            layout.timing("audit", audited.published)
        conda:
            "../../envs/cpu.yaml"
        params:
            code=lambda wildcards: code_digest(
                "audit.py", [f"l2s.audit.findings.{name}" for name in module_names("l2s.audit.findings")]
            ),
            page=page_digest("audit.html.j2") + page_digest("audit_table.html.j2"),
            spec=audited.model_dump(mode="json"),
            # Their content, so that a comment in the file schedules nothing.
            assumptions=digest_of(read_yaml(Path("config/assumptions.yaml"))),
        message:
            "audit: published numbers beside ours"
        script:
            "../../scripts/audit.py"
