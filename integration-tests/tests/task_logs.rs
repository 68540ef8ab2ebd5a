//! The lines that are logged while a task runs name it.

use integration_tests::Pulp;
use serde_json::{Value, json};

/// The worker's lines about one task, and the id of the task.
async fn lines(format: &str) -> (Vec<String>, String) {
    let mut pulp = Pulp::builder().workers(1).set("PULP_LOG_FORMAT", format).start().await;
    let repository = pulp.repository("r").await;
    let change = pulp.client.patch(&repository, &json!({"description": "d"})).await.expect(202);
    let task = pulp.completed(change).await;
    let id = task["pulp_href"].as_str().expect("an href").trim_end_matches('/').rsplit('/').next();
    let log = pulp.process("worker-1").log();
    let of_task = |line: &&str| line.contains("the task starts") || line.contains("the task has ended");
    (log.lines().filter(of_task).map(str::to_owned).collect(), id.expect("an id").to_owned())
}

#[tokio::test]
async fn lines_of_text_name_their_task() {
    let (lines, id) = lines("text").await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        assert!(line.starts_with("20") && line.contains(&format!("task={id}")), "{line}");
        assert!(line.contains("name=pulpcore.app.tasks.base.general_update"), "{line}");
    }
}

#[tokio::test]
async fn lines_of_json_name_their_task() {
    let (lines, id) = lines("json").await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        let line: Value = serde_json::from_str(&line).expect("a line of JSON");
        assert_eq!(line["task"], id.as_str(), "{line}");
        assert_eq!(line["name"], "pulpcore.app.tasks.base.general_update", "{line}");
    }
}
