//! The names of Pulp's own executables, and options of theirs that mean nothing here.

use std::ffi::OsString;
use std::path::Path;

/// Executables of Pulp: called through a link of such a name, the command acts as that role.
const LINKS: &[(&str, Option<&str>)] = &[
    ("pulpcore-api", Some("api")),
    ("pulpcore-content", Some("content")),
    ("pulp-content", Some("content")),
    ("pulpcore-worker", Some("worker")),
    ("pulpcore-manager", None),
];

/// Options of Gunicorn that take a value; one process serves all connections and all cores here, and logs to
/// the standard error output. What would change who can reach the server (TLS) is not among them.
const SERVER_VALUES: &[&str] = &[
    "--workers",
    "-w",
    "--threads",
    "--worker-class",
    "-k",
    "--worker-connections",
    "--worker-tmp-dir",
    "--timeout",
    "-t",
    "--graceful-timeout",
    "--keep-alive",
    "--max-requests",
    "--max-requests-jitter",
    "--access-logfile",
    "--access-logformat",
    "--error-logfile",
    "--log-file",
    "--log-level",
    "--name",
    "-n",
    "--limit-request-line",
    "--limit-request-fields",
    "--limit-request-field_size",
];
const SERVER_SWITCHES: &[&str] = &["--preload", "--reload", "--capture-output"];
const WORKER_SWITCHES: &[&str] = &["--reload", "--no-reload", "--no-burst"];
const MANAGER_VALUES: &[&str] = &["--verbosity", "-v", "--settings", "--pythonpath"];
const MANAGER_SWITCHES: &[&str] = &["--noinput", "--no-input", "--no-color", "--force-color", "--traceback"];

/// The command line as `pulpcore` and a subcommand, and the options that were left out of it.
pub(crate) fn translate(line: impl IntoIterator<Item = OsString>) -> (Vec<OsString>, Vec<String>) {
    let mut line = line.into_iter();
    let program = line.next().unwrap_or_else(|| "pulpcore".into());
    let called = Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned());
    let link = LINKS.iter().find(|(name, _)| called.as_deref() == Some(name));
    let mut arguments: Vec<OsString> = line.collect();
    if let Some((_, Some(role))) = link {
        arguments.insert(0, (*role).into());
    }
    if link.is_some() && arguments.first().is_some_and(|name| name == "runserver") {
        // Django's own server takes its address as a bare word.
        arguments[0] = "api".into();
        if arguments.get(1).is_some_and(|address| !address.to_string_lossy().starts_with('-')) {
            arguments.insert(1, "--bind".into());
        }
    }
    let role = arguments.first().map(|role| role.to_string_lossy().into_owned());
    let (values, switches) = match role.as_deref() {
        Some("api" | "content") => (SERVER_VALUES, SERVER_SWITCHES),
        Some("worker") => (&[][..], WORKER_SWITCHES),
        Some(_) if link.is_some() => (MANAGER_VALUES, MANAGER_SWITCHES),
        _ => (&[][..], &[][..]),
    };
    let mut kept = vec![OsString::from("pulpcore")];
    let mut ignored = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let (name, inline) = match text.split_once('=') {
            Some((name, _)) => (name, true),
            None => (text.as_str(), false),
        };
        if values.contains(&name) {
            ignored.push(name.to_owned());
            if !inline {
                arguments.next();
            }
        } else if switches.contains(&name) {
            ignored.push(name.to_owned());
        } else {
            kept.push(argument);
        }
    }
    (kept, ignored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> (String, String) {
        let (kept, ignored) = translate(line.split(' ').map(OsString::from));
        let kept: Vec<String> = kept.into_iter().map(|word| word.into_string().unwrap()).collect();
        (kept.join(" "), ignored.join(" "))
    }

    #[test]
    fn links_become_roles() {
        let cases = [
            ("pulpcore migrate", "pulpcore migrate", ""),
            (
                "/usr/bin/pulpcore-api --bind 0.0.0.0:24817 --workers 4 --access-logfile=-",
                "pulpcore api --bind 0.0.0.0:24817",
                "--workers --access-logfile",
            ),
            ("pulp-content -b [::]:0 -t 90", "pulpcore content -b [::]:0", "-t"),
            (
                "pulpcore-worker --resource-manager --no-burst",
                "pulpcore worker --resource-manager",
                "--no-burst",
            ),
            ("pulpcore-worker --name n@%h", "pulpcore worker --name n@%h", ""),
            ("pulpcore-manager migrate --noinput", "pulpcore migrate", "--noinput"),
            ("pulpcore-manager runserver 0.0.0.0:80", "pulpcore api --bind 0.0.0.0:80", ""),
            ("pulpcore-manager runserver", "pulpcore api", ""),
            ("pulpcore migrate --noinput", "pulpcore migrate --noinput", ""),
            ("pulpcore api --preload -w 2 -b :1", "pulpcore api -b :1", "--preload -w"),
        ];
        for (line, kept, ignored) in cases {
            assert_eq!(translated(line), (kept.to_owned(), ignored.to_owned()), "{line}");
        }
    }
}
