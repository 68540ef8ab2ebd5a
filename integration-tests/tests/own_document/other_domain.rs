//! Objects of another domain are not there: not in lists, not by their hrefs, not as values of filters or
//! fields, and not for tasks.
//!
//! Domains cannot be created yet. Everything is created in the default domain, then its rows are moved into
//! another.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::Method;
use integration_tests::fixtures::{DISTRIBUTIONS, FILES, PUBLICATIONS, REPOSITORIES};
use integration_tests::{Answer, Population, Pulp, send};
use rustix::process::Signal;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;
use uuid::Uuid;

use crate::document::{Operation, operations};
use crate::values::Filter;
use crate::{CONCURRENCY, UNKNOWN, differs, fitting_body, hrefs, show};

const OTHER: &str = "019a0000-0000-7000-8000-00000000000d";

/// Lists of what belongs to the whole installation.
const OF_THE_INSTALLATION: [&str; 4] = ["domains_", "task_schedules_", "users_", "workers_"];

/// What a domain has.
const TABLES: [&str; 9] = [
    "artifact",
    "content",
    "distribution",
    "publication",
    "remote",
    "repository",
    "task",
    "task_group",
    "upload",
];

/// Moves all rows that belong to a domain into another one.
async fn move_everything(pulp: &Pulp) {
    let sql = format!(
        "INSERT INTO domain (pulp_id, name, storage_class, storage_settings)
             SELECT '{OTHER}', 'other', storage_class, storage_settings FROM domain WHERE name = 'default';
         DO $$
         DECLARE name text;
         BEGIN
             FOR name IN SELECT c.table_name FROM information_schema.columns AS c
                         JOIN information_schema.tables AS t USING (table_schema, table_name)
                         WHERE c.column_name = 'pulp_domain_id' AND t.table_schema = 'public'
                           AND t.table_type = 'BASE TABLE' AND c.table_name <> 'task_schedule'
             LOOP
                 EXECUTE format('UPDATE %I SET pulp_domain_id = ''{OTHER}''', name);
             END LOOP;
         END $$"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut pulp.database().await).await.unwrap();
}

/// A digest of the rows of each table that the other domain has.
async fn rows(pulp: &Pulp) -> Vec<(&'static str, Option<String>)> {
    let mut database = pulp.database().await;
    let mut digests = Vec::new();
    for table in TABLES {
        let sql = format!(
            "SELECT md5(string_agg(t::text, ' ' ORDER BY pulp_id)) FROM {table} AS t
             WHERE pulp_domain_id = '{OTHER}'"
        );
        let digest = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut database).await.unwrap();
        digests.push((table, digest));
    }
    digests
}

/// A filled installation whose objects now are of another domain, and its operations with the hrefs of these
/// objects.
async fn moved() -> (Population, Vec<Operation>, BTreeMap<String, Vec<Value>>) {
    let population = Population::start().await;
    let document = population.get("/pulp/api/v3/docs/api.json").await;
    let mut operations = operations(&population, &document).await;
    operations.retain(|one| !OF_THE_INSTALLATION.iter().any(|prefix| one.id().starts_with(prefix)));
    let mut objects = BTreeMap::new();
    for list in operations.iter().filter(|one| one.is_list()) {
        let page = population.get(&list.path).await;
        objects.insert(list.path.clone(), page["results"].as_array().unwrap().clone());
    }
    move_everything(&population.pulp).await;
    (population, operations, objects)
}

#[tokio::test]
async fn an_object_of_another_domain_is_in_no_list_and_has_no_href() {
    let (population, operations, objects) = moved().await;
    let before = rows(&population.pulp).await;
    let hrefs = hrefs(&operations);
    let mut targets = Vec::new();
    for operation in &operations {
        if operation.is_list() || operation.template.starts_with('{') {
            targets.push((operation, operation.path.clone()));
        }
        let Some(objects) = objects.get(&operation.path).filter(|_| !operation.template.starts_with('{'))
        else {
            continue;
        };
        for filter in operation.query().map(Filter::of).filter(Filter::chooses) {
            let value = filter.plausible(objects, &hrefs).0;
            let value: String = byte_serialize(value.as_bytes()).collect();
            targets.push((operation, format!("{}?{}={value}", operation.path, filter.name)));
        }
    }
    let pulp = &population.pulp;
    let failures: Vec<Option<String>> = stream::iter(&targets)
        .map(|(operation, target)| async move {
            let answer = ask(pulp, operation, target).await;
            if operation.template.starts_with('{') {
                return differs(operation, target, &answer, 404);
            }
            // Whoever asks cannot tell it from an object that does not exist.
            let missing = ask(pulp, operation, &without_ids(target)).await;
            let hidden = answer.status == 400 || answer.body["count"] == 0;
            // Workers are of the whole installation.
            let same = (answer.status, &answer.body) == (missing.status, &missing.body)
                || target.contains("?worker=");
            let told =
                || format!("{target}: {} {:.300}, not {}", answer.status, answer.text(), missing.text());
            (!hidden || !same).then(told)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    show(failures.into_iter().flatten().collect());
    assert_eq!(rows(&population.pulp).await, before, "something of the other domain has changed");
}

async fn ask(pulp: &Pulp, operation: &Operation, target: &str) -> Answer {
    let request = pulp.client.request(operation.method.clone(), target);
    match operation.method {
        Method::GET | Method::DELETE => send(request).await,
        _ => send(request.json(&fitting_body(operation))).await,
    }
}

/// A text with the ids of objects that do not exist.
fn without_ids(text: &str) -> String {
    let mut text = text.to_owned();
    for start in 0..text.len().saturating_sub(35) {
        let id = text.get(start..start + 36).filter(|part| part.matches('-').count() == 4);
        if id.is_some_and(|part| part.parse::<Uuid>().is_ok()) {
            text.replace_range(start..start + 36, UNKNOWN[0]);
        }
    }
    text
}

#[tokio::test]
async fn an_object_of_another_domain_is_no_value_of_a_field() {
    let (population, operations, objects) = moved().await;
    let pulp = &population.pulp;
    let before = rows(pulp).await;
    let theirs = hrefs(&operations);
    let [repository, version, remote, content, publication, artifact, upload] = [
        "file_file_repository_href",
        "file_file_repository_version_href",
        "file_file_remote_href",
        "file_file_content_href",
        "file_file_publication_href",
        "artifact_href",
        "upload_href",
    ]
    .map(|name| theirs[name].as_str());
    let prn = &objects[REPOSITORIES][0]["prn"];
    let mine = pulp.repository("mine").await;
    let modify = format!("{mine}modify/");
    let mut found = Vec::new();
    for (method, path, body, field) in [
        (Method::POST, REPOSITORIES, json!({"name": "a", "remote": remote}), "remote"),
        (Method::PATCH, &mine, json!({"remote": remote}), "remote"),
        (Method::POST, &format!("{mine}sync/"), json!({"remote": remote}), "remote"),
        (Method::POST, &modify, json!({"add_content_units": [content]}), "add_content_units"),
        (Method::POST, &modify, json!({"remove_content_units": [content]}), "remove_content_units"),
        (Method::POST, &modify, json!({"base_version": version}), "base_version"),
        (Method::POST, PUBLICATIONS, json!({"repository": repository}), "repository"),
        (Method::POST, PUBLICATIONS, json!({"repository": prn}), "repository"),
        (Method::POST, PUBLICATIONS, json!({"repository_version": version}), "repository_version"),
        (
            Method::POST,
            DISTRIBUTIONS,
            json!({"name": "a", "base_path": "a", "repository": repository}),
            "repository",
        ),
        (
            Method::POST,
            DISTRIBUTIONS,
            json!({"name": "a", "base_path": "a", "repository_version": version}),
            "repository_version",
        ),
        (
            Method::POST,
            DISTRIBUTIONS,
            json!({"name": "a", "base_path": "a", "publication": publication}),
            "publication",
        ),
        (Method::POST, FILES, json!({"relative_path": "a", "artifact": artifact}), "artifact"),
        (Method::POST, FILES, json!({"relative_path": "a", "upload": upload}), "upload"),
        (
            Method::POST,
            FILES,
            json!({"relative_path": "a", "file_url": population.upstream.url, "repository": repository}),
            "repository",
        ),
        (
            Method::POST,
            "/pulp/api/v3/orphans/cleanup/",
            json!({"content_hrefs": [content], "orphan_protection_time": 0}),
            "task",
        ),
    ] {
        let answer = send(pulp.client.request(method.clone(), path).json(&body)).await;
        let missing: Value = serde_json::from_str(&without_ids(&body.to_string())).unwrap();
        let missing = send(pulp.client.request(method, path).json(&missing)).await;
        if answer.body[field].is_null() || answer.status != missing.status {
            let told = (answer.status, answer.text(), missing.status, missing.text());
            found.push(format!("{path} {body}: {told:?}"));
        }
        for task in [&answer, &missing].into_iter().filter_map(|answer| answer.body["task"].as_str()) {
            pulp.monitor_task(task).await;
        }
    }
    show(found);
    assert_eq!(rows(pulp).await, before, "something of the other domain has changed");
    // Names and paths are taken within a domain only.
    for object in &objects[REPOSITORIES] {
        pulp.repository(object["name"].as_str().unwrap()).await;
    }
    pulp.distribute("served/files", json!({"repository": mine})).await;
}

/// Tasks of the default domain that find their object moved when they begin.
#[tokio::test]
async fn a_task_does_not_touch_an_object_of_another_domain() {
    let population = Population::start().await;
    let Population { mut pulp, upstream } = population;
    let client = pulp.client.clone();
    let list = async |path: &str| client.get(path).await.expect(200)["results"].clone();
    let href = |object: &Value| object["pulp_href"].as_str().unwrap().to_owned();
    let (repositories, distributions) = (list(REPOSITORIES).await, list(DISTRIBUTIONS).await);
    let named = |name: &str| repositories.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    let (synced, uploaded) = (href(named("synced")), href(named("uploaded")));
    let remote = named("synced")["remote"].as_str().unwrap();
    let content = href(&list(FILES).await[0]);
    let content = json!({"add_content_units": [content]});
    let (first, second) = (href(&distributions[0]), href(&distributions[1]));
    pulp.process("worker-1").signal(Signal::TERM);
    pulp.process("worker-1").ended(Duration::from_secs(10)).await;
    let accepted = [
        client.patch(&uploaded, &json!({"description": "changed"})).await,
        client.patch(remote, &json!({"policy": "immediate"})).await,
        client.patch(&first, &json!({"name": "renamed"})).await,
        client.post(&format!("{synced}sync/"), &json!({"remote": remote})).await,
        client.post(&format!("{uploaded}modify/"), &content).await,
        client.post(PUBLICATIONS, &json!({"repository": uploaded})).await,
        client.delete(&format!("{uploaded}versions/1/")).await,
        client.delete(&second).await,
        client.delete(&uploaded).await,
    ]
    .map(|answer| answer.expect(202)["task"].as_str().unwrap().to_owned());
    move_everything(&pulp).await;
    let back = "UPDATE task SET pulp_domain_id = (SELECT pulp_id FROM domain WHERE name = 'default')";
    sqlx::raw_sql(back).execute(&mut pulp.database().await).await.unwrap();
    let before = rows(&pulp).await;
    let requests = upstream.requests("PULP_MANIFEST");
    pulp.spawn("worker-2", &["worker", "--name", "worker-2"]);
    let mut found = Vec::new();
    for task in &accepted {
        let task = pulp.monitor_task(task).await;
        // What is not there need not be deleted.
        let deletion = task["name"] == "pulpcore.app.tasks.base.general_delete";
        if task["state"] != "failed" && !(deletion && task["state"] == "completed") {
            found.push(format!("{} {}", task["name"], task["state"]));
        }
    }
    show(found);
    assert_eq!(rows(&pulp).await, before, "something of the other domain has changed");
    assert_eq!(upstream.requests("PULP_MANIFEST"), requests, "a remote of another domain was asked");
}
