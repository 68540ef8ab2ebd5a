//! What goes wrong around Pulp: a full disk, a port in use, a wrong password, a database that goes away.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::process::Command;
use std::time::Duration;

use integration_tests::fixtures::{REMOTES, noise};
use integration_tests::{Process, Pulp, Upstream, executable, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sqlx::Row;

const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_full_disk_fails_the_task_and_nothing_else() {
    let Some(disk) = Disk::mount("4m") else {
        assert!(std::env::var_os("CI").is_none(), "CI has to be able to mount a small disk, as root");
        eprintln!("not tested: only root can mount a small disk");
        return;
    };
    let pulp = Pulp::builder().set("PULP_MEDIA_ROOT", disk.path().display()).start().await;
    let upstream = Upstream::start().await;
    upstream.put("small", "few bytes");
    upstream.put("long", noise(8_000_000, 1));
    upstream.publish();
    let remote = pulp.remote("r", &upstream, "immediate").await;
    let repository = pulp.repository("r").await;
    let description = pulp.failed(pulp.sync(&repository, &remote, false).await).await;
    assert!(description.contains(&upstream.url_of("long")), "{description}");
    assert!(description.to_lowercase().contains("no space left"), "{description}");
    assert_eq!(pulp.latest(&repository).await["number"], 0);
    until("unfinished files are gone", || async { pulp.stored("staging").is_empty().then_some(()) }).await;

    upstream.put("long", noise(1_000_000, 1));
    upstream.publish();
    pulp.completed(pulp.sync(&repository, &remote, false).await).await;
    assert_eq!(pulp.paths(&pulp.latest(&repository).await).await, ["long", "small"]);
}

/// A small disk of its own, unmounted with the value.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(size: &str) -> Option<Disk> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Disk(directory))
    }

    fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: processes that are being killed may still have files open.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn secrets_are_encrypted_at_rest_and_never_told() {
    let pulp = Pulp::start().await;
    let secrets = json!({"name": "r", "url": "http://localhost/", "username": "hidden-user", "password": "hidden-word",
                         "client_key": "hidden-key"});
    let told = pulp.client.post(REMOTES, &secrets).await.expect(201);
    assert!(!told.to_string().contains("hidden-"), "{told:#}");
    let set = |name: &str| {
        let fields = told["hidden_fields"].as_array().unwrap();
        fields.iter().any(|field| field["name"] == name && field["is_set"] == true)
    };
    assert!(set("username") && set("password") && set("client_key") && !set("proxy_password"), "{told:#}");

    let href = told["pulp_href"].as_str().unwrap();
    pulp.completed(pulp.client.patch(href, &json!({"password": "hidden-again"})).await.expect(202)).await;
    let mut database = pulp.database().await;
    let sql = "SELECT (SELECT string_agg(remote::text, ' ') FROM remote)
                      || coalesce((SELECT string_agg(task::text, ' ') FROM task), '') AS kept";
    let kept: String = sqlx::query(sql).fetch_one(&mut database).await.unwrap().get("kept");
    assert!(!kept.contains("hidden-"), "{kept}");
}

#[tokio::test]
async fn a_process_that_cannot_start_says_why_and_fails() {
    let pulp = Pulp::start().await;
    let address = pulp.content.base.strip_prefix("http://").unwrap();
    for role in ["api", "content"] {
        let complaint = complaint(&pulp, &[], &[role, "--bind", address]).await;
        assert!(complaint.contains(address) && complaint.contains("in use"), "{complaint}");
    }

    // Make one login need a password: the others are trusted.
    let access = pulp.directory().join("services/postgres/pg_hba.conf");
    let rules = std::fs::read_to_string(&access).unwrap();
    std::fs::write(&access, format!("local all strict scram-sha-256\n{rules}")).unwrap();
    let mut database = pulp.database().await;
    sqlx::raw_sql("CREATE ROLE strict LOGIN PASSWORD 'right'; SELECT pg_reload_conf()")
        .execute(&mut database)
        .await
        .unwrap();
    let wrong = [("PULP_DATABASES__default__USER", "strict"), ("PULP_DATABASES__default__PASSWORD", "wrong")];
    let complaint = complaint(&pulp, &wrong, &["worker"]).await;
    assert!(complaint.contains("password authentication failed"), "{complaint}");
}

/// What a process says that ends with an error.
async fn complaint(pulp: &Pulp, settings: &[(&str, &str)], arguments: &[&str]) -> String {
    let mut environment = pulp.environment.clone();
    environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut command = executable::command(&environment);
    command.args(arguments);
    let name = format!("failing-{}-{}", arguments[0], settings.len());
    let mut process = Process::start(&name, command, pulp.directory());
    let status = process.ended(PATIENCE).await;
    assert!(!status.success());
    let log = process.log();
    log[log.find("error: ").unwrap_or_else(|| panic!("no complaint: {log}"))..].to_owned()
}

#[tokio::test]
async fn without_a_database_clients_are_told_to_come_back() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(1).await);
    let base = pulp.mirror("files", &upstream, "immediate").await;
    let postgres = Pid::from_raw(pulp.services().postgres_pid).unwrap();
    kill_process(postgres, Signal::INT).unwrap();
    let url = format!("{base}{}", upstream.paths()[0]);
    let answer = until("the content app notices", || async {
        Some(pulp.content.get(&url).await).filter(|answer| answer.status != 200)
    })
    .await;
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
    let answer = pulp.client.get("/pulp/api/v3/repositories/").await;
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
}
