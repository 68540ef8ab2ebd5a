//! What a user sees of settings: sources and their order, types, names, contradictions, masks.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

type Variables<'a> = &'a [(&'a str, &'a str)];

/// Loads from the given files (name, text) and variables (name, value).
fn load_with(files: &[(&str, &str)], variables: &[(&str, &str)]) -> anyhow::Result<Loaded> {
    let directory = TempDir::new()?;
    for (name, text) in files {
        fs::write(directory.path().join(name), text)?;
    }
    let variables: Vec<(OsString, OsString)> = variables
        .iter()
        .map(|(name, value)| {
            let here = directory.path().display().to_string();
            (OsString::from(name), OsString::from(value.replace("{dir}", &here)))
        })
        .collect();
    load_from(&variables, directory.path())
}

fn refusal(files: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    format!("{:#}", load_with(files, variables).unwrap_err())
}

fn shown(loaded: &Loaded, name: &str) -> String {
    loaded.shown.iter().find(|setting| setting.name == name).unwrap().to_string()
}

#[test]
fn the_environment_wins_over_files_and_files_over_defaults() {
    let yaml = "WORKER_TTL: 40\nAPI_APP_TTL: 50\nDATABASES:\n  default:\n    HOST: db\n    PASSWORD: p@ss\n";
    let loaded = load_with(
        &[("settings.yaml", yaml)],
        &[("PULP_WORKER_TTL", "45.5"), ("PULP_DATABASES__default__PORT", "6000"), ("OTHER", "x")],
    )
    .unwrap();
    assert_eq!(loaded.settings.worker_ttl, Duration::from_millis(45_500));
    assert_eq!(loaded.settings.api_app_ttl, Duration::from_secs(50));
    assert_eq!(loaded.settings.content_app_ttl, Duration::from_secs(30));
    assert_eq!(loaded.settings.database_url.0, "postgres://pulp:p%40ss@db:6000/pulp");
    assert_eq!(loaded.warnings, [""; 0]);
    assert_eq!(shown(&loaded, "WORKER_TTL"), "WORKER_TTL = 45.5  # environment variable PULP_WORKER_TTL");
    assert!(shown(&loaded, "API_APP_TTL").contains("50  # file /"));
    assert_eq!(shown(&loaded, "CONTENT_APP_TTL"), "CONTENT_APP_TTL = 30  # default");
}

#[test]
fn named_files_are_read_in_order() {
    let files = [
        ("settings.yaml", "WORKER_TTL: 1"),
        ("one.toml", "WORKER_TTL = 2\nAPI_APP_TTL = 2\n[DATABASES.default]\nUSER = \"one\"\nNAME = \"kept\""),
        ("two.yml", "API_APP_TTL: 3\nDATABASES: {dynaconf_merge: true, default: {USER: two}}"),
    ];
    let named = ("PULP_SETTINGS", "{dir}/one.toml, {dir}/two.yml");
    let loaded = load_with(&files, &[named]).unwrap();
    assert_eq!(loaded.settings.worker_ttl, Duration::from_secs(2));
    assert_eq!(loaded.settings.api_app_ttl, Duration::from_secs(3));
    assert!(loaded.settings.database_url.0.starts_with("postgres://two@localhost:5432/kept?"));
}

#[test]
fn a_table_given_as_a_whole_replaces_that_of_a_weaker_source() {
    let yaml = "DATABASES: {default: {HOST: db, PASSWORD: old}}";
    for whole in [
        r#"{"default": {"HOST": "new"}}"#,
        r#"@json {"default": {"HOST": "new"}}"#,
        "{ default = { HOST = 'new' } }",
    ] {
        let loaded = load_with(&[("settings.yaml", yaml)], &[("PULP_DATABASES", whole)]).unwrap();
        assert_eq!(loaded.settings.database_url.0, "postgres://pulp@new:5432/pulp", "{whole}");
    }
}

#[test]
fn directories_follow_their_root() {
    let loaded =
        load_with(&[], &[("PULP_DEPLOY_ROOT", "/srv/pulp"), ("PULP_WORKING_DIRECTORY", "/fast")]).unwrap();
    assert_eq!(loaded.settings.media_root, Path::new("/srv/pulp/media"));
    assert_eq!(loaded.settings.working_directory, Path::new("/fast"));
}

#[test]
fn wrong_values_stop_the_start_and_are_all_named() {
    let yaml = "WORKER_TTL: soon\nREDIS_PORT: 70000\nSECRET_KEY: 12345\nALLOWED_IMPORT_PATHS: [relative]\n";
    let text = refusal(
        &[("settings.yaml", yaml)],
        &[("PULP_ORPHAN_PROTECTION_TIME", "-1"), ("PULP_CONTENT_ORIGIN", "pulp.example.com")],
    );
    for (name, source) in [
        ("WORKER_TTL", "settings.yaml) must be a number of seconds"),
        ("REDIS_PORT", "settings.yaml) must be a port"),
        ("SECRET_KEY", "settings.yaml) must be text (in a file: put it in quotes)"),
        ("ALLOWED_IMPORT_PATHS", "settings.yaml) must be a list of absolute paths"),
        (
            "ORPHAN_PROTECTION_TIME",
            "(environment variable PULP_ORPHAN_PROTECTION_TIME) must be a whole number",
        ),
        ("CONTENT_ORIGIN", "(environment variable PULP_CONTENT_ORIGIN) must be a scheme and a host"),
    ] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains(source), "{line}");
    }
    assert!(!text.contains("12345"), "a secret is in: {text}");
}

#[test]
fn unknown_names_stop_in_files_and_warn_in_the_environment() {
    let text = refusal(&[("settings.toml", "WORKER_TLL = 3\n[DATABASES.default]\nPASWORD = 'x'")], &[]);
    assert!(text.contains("WORKER_TLL (file ") && text.contains("did you mean WORKER_TTL?"), "{text}");
    assert!(text.contains("did you mean DATABASES.default.PASSWORD?"), "{text}");
    let kubernetes = [("PULP_API_SERVICE_HOST", "10.0.0.1"), ("PULP_WORKER_TLL", "3")];
    let loaded = load_with(&[], &kubernetes).unwrap();
    let line = "not settings, ignored: PULP_API_SERVICE_HOST, PULP_WORKER_TLL (did you mean WORKER_TTL?)";
    assert_eq!(loaded.warnings, [line]);
}

#[test]
fn settings_of_pulp_that_are_not_supported_are_a_warning() {
    let yaml = "DEBUG: true\nDATABASES: {default: {CONN_MAX_AGE: 0}}\nLOGGING: {version: 1}";
    let loaded = load_with(&[("settings.yaml", yaml)], &[("PULP_ANALYTICS", "false")]).unwrap();
    let named: Vec<&str> =
        loaded.warnings.iter().filter_map(|line| line.split_once(" (")).map(|(name, _)| name).collect();
    assert_eq!(named, ["DEBUG", "DATABASES.default.CONN_MAX_AGE", "LOGGING", "ANALYTICS"]);
    assert!(shown(&loaded, "DEBUG").ends_with(", ignored"));
}

#[test]
fn python_and_broken_files_are_refused_with_advice() {
    let text = refusal(&[("settings.py", "DEBUG = True")], &[]);
    assert!(text.contains("is Python") && text.contains("settings.yaml as YAML"), "{text}");
    assert!(refusal(&[], &[("PULP_SETTINGS", "{dir}/settings.py")]).contains("is Python"));
    assert!(refusal(&[], &[("PULP_SETTINGS", "{dir}/none.yaml")]).contains("cannot read the settings file"));
    assert!(refusal(&[("settings.yaml", "A: [")], &[]).contains("cannot be parsed"));
    assert!(refusal(&[("settings.toml", "A")], &[]).contains("cannot be parsed"));
    assert!(refusal(&[("settings.yaml", ""), ("settings.toml", "")], &[]).contains("keep one"));
    assert!(load_with(&[("settings.yaml", "# nothing\n")], &[]).is_ok());
}

#[test]
fn the_names_of_the_tasking_system_must_agree() {
    use WorkerStyle::{Postgres, Redis};
    let cases: [(Variables<'_>, Option<WorkerStyle>); 8] = [
        (&[], Some(Redis)),
        (&[("PULP_USE_NEW_WORKER_STYLE", "true")], Some(Postgres)),
        (&[("PULP_USE_NEW_WORKER_TYPE", "True")], Some(Postgres)),
        (&[("PULP_WORKER_TYPE", "pulpcore")], Some(Postgres)),
        (&[("PULP_WORKER_TYPE", "redis"), ("PULP_USE_NEW_WORKER_STYLE", "0")], Some(Redis)),
        (&[("PULP_WORKER_TYPE", "pulpcore"), ("PULP_USE_NEW_WORKER_TYPE", "yes")], Some(Postgres)),
        (&[("PULP_WORKER_TYPE", "redis"), ("PULP_USE_NEW_WORKER_STYLE", "true")], None),
        (&[("PULP_USE_NEW_WORKER_TYPE", "no"), ("PULP_USE_NEW_WORKER_STYLE", "yes")], None),
    ];
    for (variables, expected) in cases {
        let style = load_with(&[], variables).map(|loaded| loaded.settings.worker_style);
        match expected {
            Some(expected) => assert_eq!(style.unwrap(), expected, "{variables:?}"),
            None => {
                let text = style.unwrap_err().to_string();
                assert!(variables.iter().all(|(name, _)| text.contains(name)), "{text}");
            }
        }
    }
}

#[test]
fn connection_urls_are_made_of_parts() {
    let database = [
        (vec![("HOST", "/run/pg"), ("NAME", "a/b")], "postgres://pulp@localhost:5432/a%2Fb?host=%2Frun%2Fpg"),
        (vec![("HOST", "::1"), ("USER", "u:v")], "postgres://u%3Av@[::1]:5432/pulp"),
        (
            vec![("HOST", "db"), ("OPTIONS__sslmode", "verify-full"), ("OPTIONS__sslrootcert", "/ca.pem")],
            "postgres://pulp@db:5432/pulp?sslmode=verify-full&sslrootcert=%2Fca.pem",
        ),
    ];
    for (parts, expected) in database {
        let names: Vec<(String, &str)> =
            parts.iter().map(|(name, value)| (format!("PULP_DATABASES__default__{name}"), *value)).collect();
        let variables: Vec<(&str, &str)> =
            names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(load_with(&[], &variables).unwrap().settings.database_url.0, expected);
    }
    let redis: [(Variables<'_>, &str); 4] = [
        (&[("PULP_REDIS_HOST", "r")], "redis://r:6379/0"),
        (
            &[
                ("PULP_REDIS_HOST", "r"),
                ("PULP_REDIS_PASSWORD", "007/"),
                ("PULP_REDIS_DB", "2"),
                ("PULP_REDIS_SSL", "true"),
            ],
            "rediss://:007%2F@r:6379/2",
        ),
        (
            &[("PULP_REDIS_HOST", "/run/r.sock"), ("PULP_REDIS_PASSWORD", "x")],
            "redis+unix:///run/r.sock?db=0&pass=x",
        ),
        (&[("PULP_REDIS_URL", "redis+unix:///run/r.sock")], "redis+unix:///run/r.sock"),
    ];
    for (variables, expected) in redis {
        let url = load_with(&[], variables).unwrap().settings.redis_url.unwrap();
        assert_eq!(url.0, expected);
    }
    assert!(load_with(&[], &[("PULP_REDIS_URL", "")]).unwrap().settings.redis_url.is_none());
    assert!(refusal(&[], &[("PULP_REDIS_URL", "http://r")]).contains("REDIS_URL must start with"));
    let both = [("PULP_REDIS_URL", "redis://r"), ("PULP_REDIS_HOST", "r")];
    assert!(refusal(&[], &both).contains("keep one"));
}

#[test]
fn secrets_are_never_shown() {
    let variables = [
        ("PULP_SECRET_KEY", "hush"),
        ("PULP_DATABASES__default__PASSWORD", "hush"),
        ("PULP_REDIS_PASSWORD", "redis://hush"),
        ("PULP_REDIS_URL", "redis://user:hush@host:1/0?password=hush"),
        ("PULP_KAFKA_SASL_PASSWORD", "hush"),
        ("PULP_STORAGES", r#"{"default": {"key": "hush"}}"#),
    ];
    let loaded = load_with(&[], &variables).unwrap();
    let all: Vec<String> = loaded.shown.iter().map(ToString::to_string).collect();
    assert!(!all.join("\n").contains("hush"), "{}", all.join("\n"));
    assert!(!format!("{:?}", loaded.settings).contains("hush"));
    assert_eq!(
        shown(&loaded, "REDIS_URL").split("  #").next().unwrap(),
        r#"REDIS_URL = "redis://user:********@host:1/0?password=********""#
    );
}

#[test]
fn every_default_is_of_its_type() {
    for (name, leaf) in Values::new().leaves {
        let setting = leaf.setting.unwrap();
        assert!(leaf.value.is_null() || setting.kind.check(&leaf.value).is_some(), "{name}");
        assert!(setting.about.ends_with('.'), "{name} has no sentence");
    }
}

#[test]
fn the_documentation_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("settings.md");
    let page = document::page();
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == page, "run this test with UPDATE_DOCUMENTS=1");
}

#[test]
fn redis_is_found_by_sentinels_in_the_shape_of_rq() {
    let toml = r#"
        REDIS_SSL = true
        REDIS_PASSWORD = "one"
        REDIS_SSL_CA_CERTS = "/etc/ca.pem"
        [REDIS_SENTINEL]
        INSTANCES = [["one", 26379], "two:26380", ["::1", "26381"]]
        MASTER_NAME = "pulp"
        DB = 2
        PASSWORD = "hush"
        SENTINEL_KWARGS = { password = "hush hush" }
    "#;
    let loaded = load_with(&[("settings.toml", toml)], &[]).unwrap();
    let settings = loaded.settings;
    assert_eq!(settings.redis_url.unwrap().0, "rediss://:hush@sentinels:6379/2");
    assert_eq!(settings.redis_ca_certs.unwrap(), Path::new("/etc/ca.pem"));
    let sentinel = settings.redis_sentinel.unwrap();
    let host = |host: &str, port| (host.to_owned(), port);
    assert_eq!(sentinel.instances, [host("one", 26379), host("two", 26380), host("::1", 26381)]);
    assert_eq!((sentinel.master_name.as_str(), sentinel.password.unwrap().0.as_str()), ("pulp", "hush hush"));
    assert!(loaded.shown.iter().all(|shown| !shown.to_string().contains("hush")));

    let variable = r#"{"INSTANCES": [["one", 26379]], "MASTER_NAME": "pulp"}"#;
    let both = [("PULP_REDIS_SENTINEL", variable), ("PULP_REDIS_HOST", "r")];
    assert!(refusal(&[], &both).contains("REDIS_SENTINEL and REDIS_HOST are both set"));
    let loaded = load_with(&[], &[("PULP_REDIS_SENTINEL", variable), ("PULP_REDIS_DB", "3")]).unwrap();
    assert_eq!(loaded.settings.redis_url.unwrap().0, "redis://sentinels:6379/3");
    let half = [("PULP_REDIS_SENTINEL", r#"{"MASTER_NAME": "pulp"}"#)];
    assert!(refusal(&[], &half).contains("needs both"));
    let odd = [("PULP_REDIS_SENTINEL", r#"{"INSTANCES": ["one"], "MASTER_NAME": "pulp"}"#)];
    assert!(refusal(&[], &odd).contains("REDIS_SENTINEL.INSTANCES"));
}
