//! The command as its user meets it, as far as it needs no database.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The command with nothing of this environment.
fn pulpcore(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulpcore"));
    command.args(arguments).env_clear();
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines a failed command tells.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    text(&output.stderr)
}

#[test]
fn wrong_settings_are_one_line_each() {
    let output = pulpcore(&["migrate"])
        .env("PULP_WORKER_TTL", "soon")
        .env("PULP_REDIS_URL", "http://somewhere")
        .output()
        .unwrap();
    let lines = complaint(&output);
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.lines().all(|line| line.starts_with("error: ")), "{lines}");
    assert!(lines.contains("WORKER_TTL (environment variable PULP_WORKER_TTL) must be"), "{lines}");
}

#[test]
fn a_python_file_is_answered_with_what_to_write() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("settings.py");
    std::fs::write(&path, "CONTENT_ORIGIN = 'http://localhost'").unwrap();
    let output = pulpcore(&["api"]).env("PULP_SETTINGS", &path).output().unwrap();
    let lines = complaint(&output);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(lines.contains("is Python") && lines.contains("settings.yaml"), "{lines}");
}

#[test]
fn settings_are_shown_with_their_sources() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("settings.yaml");
    std::fs::write(&path, "WORKER_TTL: 20\nSECRET_KEY: 'hush'\n").unwrap();
    let output = pulpcore(&["diffsettings"])
        .env("PULP_SETTINGS", &path)
        .env("PULP_DATABASES__default__PASSWORD", "hush")
        .env("PULP_API_PORT_80_TCP", "tcp://10.0.0.1:80")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = text(&output.stdout);
    for line in [
        format!("WORKER_TTL = 20  # file {}", path.display()),
        r#"DATABASES.default.PASSWORD = "********"  # environment variable PULP_DATABASES__default__PASSWORD"#.into(),
        "CONTENT_APP_TTL = 30  # default".into(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(text(&output.stderr), "warning: not settings, ignored: PULP_API_PORT_80_TCP\n");
}

#[test]
fn the_api_document_needs_nothing() {
    let output = pulpcore(&["openapi"]).env("PULP_WORKER_TTL", "soon").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert!(document["paths"]["/pulp/api/v3/status/"]["get"]["operationId"].is_string());
}

#[test]
fn links_act_as_their_role_and_take_the_flags_of_pulp() {
    let directory = TempDir::new().unwrap();
    // As `openssl rand -base64 32` writes it.
    let key = directory.path().join("key");
    std::fs::write(&key, "+/+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
    for (name, arguments, role) in [
        (
            "pulpcore-api",
            &["-b", "127.0.0.1:0", "--workers", "2", "--timeout=90"][..],
            "--workers, --timeout",
        ),
        ("pulp-content", &["--bind", "127.0.0.1:0", "--access-logfile", "-"], "--access-logfile"),
        ("pulpcore-content", &["-b", "127.0.0.1:0", "--preload"], "--preload"),
        ("pulpcore-worker", &["--resource-manager", "--no-reload"], "--no-reload"),
        ("pulpcore-manager", &["migrate", "--noinput"], "--noinput"),
    ] {
        let link = directory.path().join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pulpcore"), &link).unwrap();
        // An address that cannot be one ends the command after its command line was understood.
        let output = Command::new(&link)
            .args(arguments)
            .env_clear()
            .env("PULP_DATABASES__default__OPTIONS__sslrootcert", "/nowhere/ca.pem")
            .env("PULP_DATABASES__default__OPTIONS__sslmode", "verify-full")
            .env("PULP_DATABASES__default__HOST", "host name")
            .env("PULP_DB_ENCRYPTION_KEY", &key)
            .output()
            .unwrap();
        let lines = complaint(&output);
        assert!(lines.contains(&format!("deploy:WARN: options without effect here: {role}\n")), "{lines}");
        assert!(lines.contains("error: DATABASES make no valid address"), "{lines}");
    }
}

#[test]
fn log_lines_are_text_or_json() {
    let logged = |format: &str| {
        let output = pulpcore(&["migrate"])
            .env("PULP_LOG_FORMAT", format)
            .env("PULP_DEBUG", "true")
            .env("PULP_DATABASES__default__HOST", "host name")
            .output()
            .unwrap();
        text(&output.stderr).lines().next().unwrap().to_owned()
    };
    let warning = "settings: DEBUG (environment variable PULP_DEBUG) is ignored (not supported)";
    let text = logged("text");
    let (time, line) = text.split_once(' ').unwrap();
    assert_eq!(line, format!("pulp [None]: deploy:WARN: {warning}"));
    assert!(time.starts_with("20") && time.ends_with('Z') && time.contains('T'), "{time}");
    let line: Value = serde_json::from_str(&logged("json")).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["target"], "deploy");
    assert_eq!(line["message"], warning);
    assert!(line["cid"].is_null() && line["time"].is_string());
}

#[test]
fn a_filter_that_is_none_names_its_setting() {
    let output = pulpcore(&["migrate"]).env("PULP_LOG_LEVEL", "a=b=c").output().unwrap();
    assert!(
        complaint(&output)
            .starts_with("error: LOG_LEVEL (environment variable PULP_LOG_LEVEL) must be error, warn, info")
    );
}

#[test]
fn whatever_prepares_an_installation_looks_at_the_key_file() {
    for arguments in [&["migrate"][..], &["reset-admin-password", "--password", "x"]] {
        let output = pulpcore(arguments).env("PULP_DB_ENCRYPTION_KEY", "/nowhere/key").output().unwrap();
        let told = complaint(&output);
        assert!(told.contains("cannot read the key file /nowhere/key"), "{told}");
    }
}

#[test]
fn settings_that_would_protect_stop_the_start() {
    for (name, value, change) in [
        (
            "PULP_STORAGES",
            r#"{"default": {"BACKEND": "storages.backends.s3.S3Storage"}}"#,
            "where bytes are kept",
        ),
        ("PULP_AUTHENTICATION_BACKENDS", r#"["a.B"]"#, "who may come in"),
        ("PULP_DOMAIN_ENABLED", "true", "which URLs exist"),
    ] {
        let output = pulpcore(&["migrate"]).env(name, value).output().unwrap();
        let told = complaint(&output);
        assert!(told.starts_with("error: ") && told.contains(change), "{told}");
    }
    let output = pulpcore(&["diffsettings"]).env("PULP_DOMAIN_ENABLED", "false").output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
}
