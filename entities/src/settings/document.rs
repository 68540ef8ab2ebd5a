//! The documentation of settings, made from the table; a test keeps `entities/settings.md` equal to it.

use std::fmt::Write;

use super::table::{Default, Setting, TABLE};
use super::types::Type;

const HEAD: &str = "\
# Settings

Settings have Pulp's own names. They are read from `/etc/pulp/settings.yaml` or `/etc/pulp/settings.toml`, or from the
files that the environment variable `PULP_SETTINGS` names, separated by commas; then from the environment: the variable
`PULP_WORKER_TTL` is the setting `WORKER_TTL`, and two underscores lead into a nested one, as in
`PULP_DATABASES__default__HOST`. Lists and tables are written as JSON there. `pulpcore diffsettings` prints every
setting, its value and its source.

An invalid value, or an unknown name in a file, stops the start. Settings of Pulp and Django that are not supported
are ignored with a warning.

A connection pooler in front of Postgres must work in session mode (PgBouncer: `pool_mode = session` and
`ignore_startup_parameters = extra_float_digits`). In transaction mode notifications are lost, so that tasks start up
to a second late, sessions lose the parameters that limit their transactions and choose their plans, and the sessions
of a missing worker cannot be terminated by their name.

| setting | type | default | meaning |
| --- | --- | --- | --- |
";

/// The whole page.
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    rows(&mut page, "", TABLE);
    page
}

fn rows(page: &mut String, prefix: &str, table: &[Setting]) {
    for Setting { name, kind, default, about, secret } in table {
        let (path, secret) = (format!("{prefix}{name}"), if *secret { " Secret." } else { "" });
        let default = match default {
            Default::Null => String::new(),
            Default::Bool(value) => format!("`{value}`"),
            Default::Integer(value) => format!("`{value}`"),
            Default::Text(value) => format!("`{value:?}`"),
            Default::Deployed(name) => format!("`DEPLOY_ROOT`/`{name}`"),
            Default::List(values) => format!("`{values:?}`"),
        };
        // Writing into a text cannot fail.
        let _ = writeln!(
            page,
            "| `{path}` | {} | {default} | {about}{secret} |",
            kind.wanted().replace('|', "\\|")
        );
        if let Type::Table(nested) = kind {
            rows(page, &format!("{path}."), nested);
        }
    }
}
