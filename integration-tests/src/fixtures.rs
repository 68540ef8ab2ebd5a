//! The main job in few words: remote, repository, sync, publication, distribution.

use serde_json::{Value, json};

use crate::{Pulp, Upstream};

/// Path of the file repositories.
pub const REPOSITORIES: &str = "/pulp/api/v3/repositories/file/file/";
/// Path of the file remotes.
pub const REMOTES: &str = "/pulp/api/v3/remotes/file/file/";
/// Path of the file publications.
pub const PUBLICATIONS: &str = "/pulp/api/v3/publications/file/file/";
/// Path of the file distributions.
pub const DISTRIBUTIONS: &str = "/pulp/api/v3/distributions/file/file/";
/// Path of the file content.
pub const FILES: &str = "/pulp/api/v3/content/file/files/";

impl Pulp {
    /// A remote of an upstream; answers its href.
    pub async fn remote(&self, name: &str, upstream: &Upstream, policy: &str) -> String {
        let body = json!({"name": name, "url": upstream.url_of("PULP_MANIFEST"), "policy": policy, "max_retries": 0});
        href(&self.client.post(REMOTES, &body).await.expect(201))
    }

    /// A repository; answers its href.
    pub async fn repository(&self, name: &str) -> String {
        href(&self.client.post(REPOSITORIES, &json!({"name": name})).await.expect(201))
    }

    /// Asks for a sync; answers the body of the 202.
    pub async fn sync(&self, repository: &str, remote: &str, mirror: bool) -> Value {
        let body = json!({"remote": remote, "mirror": mirror});
        self.client.post(&format!("{repository}sync/"), &body).await.expect(202)
    }

    /// Publishes the newest version of a repository; answers the publication's href.
    pub async fn publish(&self, repository: &str) -> String {
        let answer = self.client.post(PUBLICATIONS, &json!({"repository": repository})).await.expect(202);
        created(&self.completed(answer).await, 0)
    }

    /// Serves what `source` says (`{"repository": …}` or `{"publication": …}`) under a base path; answers the
    /// path of its files in the content app.
    pub async fn distribute(&self, base_path: &str, source: Value) -> String {
        let mut body = json!({"name": base_path, "base_path": base_path});
        body.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        let answer = self.client.post(DISTRIBUTIONS, &body).await.expect(202);
        self.completed(answer).await;
        format!("/pulp/content/{base_path}/")
    }

    /// Syncs an upstream into a new repository, publishes and serves it, all under one name; answers the path
    /// of its files in the content app.
    pub async fn mirror(&self, name: &str, upstream: &Upstream, policy: &str) -> String {
        let remote = self.remote(name, upstream, policy).await;
        let repository = self.repository(name).await;
        let answer = self.sync(&repository, &remote, false).await;
        self.completed(answer).await;
        self.publish(&repository).await;
        self.distribute(name, json!({"repository": repository})).await
    }

    /// The newest version of a repository.
    pub async fn latest(&self, repository: &str) -> Value {
        let repository = self.client.get(repository).await.expect(200);
        self.client.get(repository["latest_version_href"].as_str().unwrap()).await.expect(200)
    }

    /// The relative paths of the content of a version, sorted.
    pub async fn paths(&self, version: &Value) -> Vec<String> {
        let href = version["pulp_href"].as_str().unwrap();
        let list =
            self.client.get(&format!("{FILES}?limit=1000&repository_version={href}")).await.expect(200);
        let units = list["results"].as_array().unwrap();
        let mut paths: Vec<String> =
            units.iter().map(|unit| unit["relative_path"].as_str().unwrap().to_owned()).collect();
        paths.sort();
        paths
    }
}

/// The href of an object.
pub fn href(object: &Value) -> String {
    object["pulp_href"].as_str().unwrap_or_else(|| panic!("no object: {object:#}")).to_owned()
}

/// The href of what a task has made.
pub fn created(task: &Value, position: usize) -> String {
    task["created_resources"][position]
        .as_str()
        .unwrap_or_else(|| panic!("made nothing: {task:#}"))
        .to_owned()
}

/// Bytes that look like no others, of any length.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
