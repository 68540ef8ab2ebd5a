//! Schedules as clients see them.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use integration_tests::{Pulp, until};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

const SCHEDULES: &str = "/pulp/api/v3/task-schedules/";

async fn list(pulp: &Pulp, query: &str) -> Vec<Value> {
    let page = pulp.client.get(&format!("{SCHEDULES}{query}")).await.expect(200);
    page["results"].as_array().unwrap().clone()
}

async fn names(pulp: &Pulp, query: &str) -> Vec<String> {
    list(pulp, query).await.iter().map(|found| found["name"].as_str().unwrap().to_owned()).collect()
}

async fn change(pulp: &Pulp, sql: &'static str) {
    let mut database = pulp.database().await;
    sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
}

#[tokio::test]
async fn schedules_of_the_settings_are_listed_read_and_run() {
    let builder = Pulp::builder().workers(1).set("PULP_UPLOAD_PROTECTION_TIME", 90);
    let pulp = builder.set("PULP_ORPHAN_CLEANUP_INTERVAL", 1530).start().await;
    let all = || async { Some(list(&pulp, "?ordering=name").await).filter(|found| found.len() == 3) };
    let found = until("three schedules", all).await;
    let shown: Vec<_> = found
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["dispatch_interval"].as_str().unwrap()))
        .collect();
    let expected = [
        ("Clean up orphans", "1 01:30:00"),
        ("Delete abandoned uploads", "00:22:30"),
        ("Delete old tasks", "1 00:00:00"),
    ];
    assert_eq!(shown, expected);
    let (orphans, uploads) = (&found[0], &found[1]);
    assert_eq!(orphans["task_name"], "pulpcore.app.tasks.orphan.orphan_cleanup");
    assert_eq!(orphans["last_task"], Value::Null);
    let href = uploads["pulp_href"].as_str().unwrap();
    assert_eq!(&pulp.client.get(href).await.expect(200), uploads);
    pulp.client.get(&format!("{SCHEDULES}019a0000-0000-7000-8000-000000000001/")).await.expect(404);
    pulp.client.delete(href).await.expect(405);

    let ids = [orphans, uploads].map(|one| one["prn"].as_str().unwrap().rsplit(':').next().unwrap());
    let (one, other) = ("Clean up orphans".to_owned(), "Delete abandoned uploads".to_owned());
    let cases = [
        ("?name=Clean+up+orphans".to_owned(), vec![one.clone()]),
        ("?name__contains=uploads".to_owned(), vec![other.clone()]),
        (format!("?task_name={}", orphans["task_name"].as_str().unwrap()), vec![one.clone()]),
        ("?task_name__contains=upload_".to_owned(), vec![other.clone()]),
        (format!("?prn__in={}", orphans["prn"].as_str().unwrap()), vec![one.clone()]),
        (format!("?pulp_href__in={href}"), vec![other.clone()]),
        (
            format!("?pulp_id__in={}&ordering=-dispatch_interval", ids.join(",")),
            vec![one.clone(), other.clone()],
        ),
        ("?ordering=next_dispatch&limit=1".to_owned(), vec![other.clone()]),
        ("?ordering=next_dispatch&limit=1&offset=2".to_owned(), vec![one.clone()]),
        ("?task_name=nothing".to_owned(), vec![]),
    ];
    for (query, expected) in cases {
        assert_eq!(names(&pulp, &query).await, expected, "{query}");
    }
    let short = list(&pulp, "?name=Clean+up+orphans&fields=name,last_task&exclude_fields=last_task").await;
    assert_eq!(short, [json!({"name": one})]);
    pulp.client.get(&format!("{SCHEDULES}?worker=x")).await.expect(400);

    change(&pulp, "UPDATE task_schedule SET next_dispatch = now() WHERE name = 'Clean up orphans'").await;
    let ran =
        || async { list(&pulp, "?name=Clean+up+orphans").await[0]["last_task"].as_str().map(str::to_owned) };
    let task = pulp.monitor_task(&until("it was due", ran).await).await;
    assert_eq!((&task["state"], &task["name"]), (&json!("completed"), &orphans["task_name"]), "{task:#}");
    assert_eq!(task["created_by"], Value::Null);
    let after = pulp.client.get(orphans["pulp_href"].as_str().unwrap()).await.expect(200);
    assert!(after["next_dispatch"].as_str() > orphans["next_dispatch"].as_str());

    change(
        &pulp,
        "UPDATE task_schedule SET dispatch_interval = 93784000005 WHERE name = 'Clean up orphans';
                   UPDATE task_schedule SET dispatch_interval = NULL, next_dispatch = NULL
                   WHERE name = 'Delete abandoned uploads'",
    )
    .await;
    let shown = list(&pulp, "?ordering=name").await;
    assert_eq!(shown[0]["dispatch_interval"], "1 02:03:04.000005");
    assert_eq!((&shown[1]["dispatch_interval"], &shown[1]["next_dispatch"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn an_upload_that_somebody_goes_on_with_is_not_abandoned() {
    let pulp = Pulp::builder().without_redis().workers(1).start().await;
    let upload = pulp.client.post("/pulp/api/v3/uploads/", &json!({"size": 4})).await.expect(201);
    let href = upload["pulp_href"].as_str().unwrap();
    change(&pulp, "UPDATE upload SET pulp_created = now() - interval '1 day'").await;
    let before = pulp.client.get(href).await.expect(200);
    let form = Form::new().part("file", Part::bytes(b"ab".to_vec()).file_name("file"));
    let request = pulp.client.request(reqwest::Method::PUT, href).header("Content-Range", "bytes 0-1/4");
    assert_eq!(request.multipart(form).send().await.unwrap().status(), 200);
    let after = pulp.client.get(href).await.expect(200);
    assert!(after["pulp_last_updated"].as_str() > before["pulp_last_updated"].as_str());
    assert_eq!(pulp.stored("upload").len(), 1);
    pulp.client.delete(href).await.expect(204);
    assert_eq!(pulp.stored("upload").len(), 0);
    pulp.client.delete(href).await.expect(404);
}
