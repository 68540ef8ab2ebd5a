//! An installation with a few objects of every kind, always the same: for tests that read everything.

use http::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::fixtures::{DISTRIBUTIONS, FILES, PUBLICATIONS, REMOTES, REPOSITORIES, href};
use crate::{Pulp, Upstream, send};

/// The id of the only task group.
pub const GROUP: &str = "019a0000-0000-7000-8000-000000000001";

/// An installation in which the same has been done each time, and the upstream that its remotes name.
#[derive(Debug)]
pub struct Population {
    /// The installation.
    pub pulp: Pulp,
    /// What its remotes name.
    pub upstream: Upstream,
}

impl Population {
    /// Starts an installation and fills it.
    ///
    /// # Panics
    /// If one of the steps fails.
    pub async fn start() -> Population {
        // Errors of tasks show no stack, whatever the environment of the test says.
        let pulp = Pulp::builder().workers(1).set("RUST_BACKTRACE", 0).start().await;
        let population = Population { pulp, upstream: Upstream::with_files(3).await };
        population.sync_and_publish().await;
        population.upload_and_modify().await;
        population.fail().await;
        population.group_tasks().await;
        population
    }

    /// A repository that is synced on demand, published as a checkpoint, and served.
    async fn sync_and_publish(&self) {
        let Population { pulp, upstream } = self;
        let remote = json!({
            "name": "source", "url": upstream.url_of("PULP_MANIFEST"), "policy": "on_demand", "max_retries": 1,
            "pulp_labels": {"env": "test", "old": null}, "username": "user", "password": "secret",
            "headers": [{"X-Color": "red"}], "rate_limit": 1000, "total_timeout": 60.5, "download_concurrency": 3,
        });
        let remote = href(&pulp.client.post(REMOTES, &remote).await.expect(201));
        let repository = json!({
            "name": "synced", "description": "from the source", "remote": remote, "manifest": "LIST",
            "pulp_labels": {"env": "test"}, "retain_repo_versions": 5, "retain_checkpoints": 2,
        });
        let repository = href(&pulp.client.post(REPOSITORIES, &repository).await.expect(201));
        pulp.completed(pulp.sync(&repository, &remote, false).await).await;
        let body = json!({"repository": repository, "checkpoint": true});
        pulp.completed(pulp.client.post(PUBLICATIONS, &body).await.expect(202)).await;
        let body = json!({
            "name": "served", "base_path": "served/files", "repository": repository, "checkpoint": true,
            "pulp_labels": {"env": "test"},
        });
        pulp.completed(pulp.client.post(DISTRIBUTIONS, &body).await.expect(202)).await;
    }

    /// A unit from an uploaded file that comes into a repository and leaves it; a stored artifact; an upload
    /// that is not finished.
    async fn upload_and_modify(&self) {
        let Population { pulp, upstream: _ } = self;
        let repository = pulp.repository("uploaded").await;
        let file = |bytes: &'static str| Part::bytes(bytes.as_bytes()).file_name("file");
        let form = Form::new().text("relative_path", "a.txt").part("file", file("bytes of a unit"));
        let task = pulp.completed(pulp.client.post_form(FILES, form).await.expect(202)).await;
        let unit = task["created_resources"][0].as_str().unwrap_or_default();
        let label = json!({"key": "env", "value": "test"});
        pulp.client.post(&format!("{unit}set_label/"), &label).await.expect(201);
        for body in [json!({"add_content_units": [unit]}), json!({"remove_content_units": [unit]})] {
            let answer = pulp.client.post(&format!("{repository}modify/"), &body).await.expect(202);
            pulp.completed(answer).await;
        }
        let publication = pulp.publish(&repository).await;
        let body = json!({
            "name": "hidden", "base_path": "hidden", "publication": publication, "hidden": true,
        });
        pulp.completed(pulp.client.post(DISTRIBUTIONS, &body).await.expect(202)).await;

        let form = Form::new().part("file", file("bytes of an artifact"));
        pulp.client.post_form("/pulp/api/v3/artifacts/", form).await.expect(201);
        let upload = href(&pulp.client.post("/pulp/api/v3/uploads/", &json!({"size": 10})).await.expect(201));
        let request = pulp.client.request(Method::PUT, &upload).header("Content-Range", "bytes 0-3/10");
        send(request.multipart(Form::new().part("file", file("abcd")))).await.expect(200);
    }

    /// A task that fails: its remote names a file that is not there.
    async fn fail(&self) {
        let Population { pulp, upstream } = self;
        let body = json!({"name": "broken", "url": upstream.url_of("missing"), "max_retries": 0});
        let remote = href(&pulp.client.post(REMOTES, &body).await.expect(201));
        let repository = pulp.repository("broken").await;
        pulp.failed(pulp.sync(&repository, &remote, true).await).await;
    }

    /// A group of tasks, one of them the child of another. Nothing that clients can ask for creates these
    /// yet.
    async fn group_tasks(&self) {
        let sql = format!(
            "INSERT INTO task_group (pulp_id, pulp_domain_id, description)
                 SELECT '{GROUP}', pulp_id, 'two tasks' FROM domain WHERE name = 'default';
             WITH first AS (SELECT pulp_id FROM task ORDER BY seq LIMIT 1)
             UPDATE task SET task_group_id = '{GROUP}',
                    parent_task_id = (SELECT f.pulp_id FROM first AS f WHERE f.pulp_id <> task.pulp_id)
             WHERE pulp_id IN (SELECT pulp_id FROM task ORDER BY seq LIMIT 2)"
        );
        let mut database = self.pulp.database().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
    }

    /// What a GET as `admin` returns.
    pub async fn get(&self, target: &str) -> Value {
        self.pulp.client.get(target).await.expect(200)
    }
}
