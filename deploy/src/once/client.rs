//! A small client of the REST API: send, wait for the task, follow hrefs.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::Value;

use crate::dev::Installation;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a task may take.
const TASK_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// How often a task is looked at.
const POLL: Duration = Duration::from_millis(50);

/// A client that is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    password: String,
}

impl Client {
    /// A client of `installation`.
    ///
    /// # Errors
    /// If its password is not known.
    pub(crate) fn new(installation: &Installation) -> anyhow::Result<Client> {
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy().build()?;
        let password = installation.password.clone().context("the password of admin is not known")?;
        Ok(Client { http, base: installation.api_url.clone(), password })
    }

    /// Reads the object at `href`.
    ///
    /// # Errors
    /// If there is no answer, or one that is an error.
    pub(crate) async fn get(&self, href: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, href, None).await
    }

    /// Posts `body` to the collection or action `path`, below the API's root.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.send(Method::POST, &format!("/pulp/api/v3/{path}"), Some(body)).await
    }

    /// Posts `body` to `href`, waits for the task this starts and returns it when it is completed. `progress`
    /// is told the task at each look.
    ///
    /// # Errors
    /// As [`Client::get`], or if the task fails or takes too long.
    pub(crate) async fn run(
        &self,
        href: &str,
        body: Value,
        progress: impl Fn(&Value),
    ) -> anyhow::Result<Value> {
        let answer = self.send(Method::POST, href, Some(body)).await?;
        let task = text(&answer, "task")?;
        let wait = async {
            loop {
                let state = self.get(task).await?;
                progress(&state);
                match text(&state, "state")? {
                    "completed" => return Ok(state),
                    "waiting" | "running" | "canceling" => tokio::time::sleep(POLL).await,
                    other => bail!("task {task} ({}) is {other}: {}", text(&state, "name")?, state["error"]),
                }
            }
        };
        let waited = tokio::time::timeout(TASK_TIMEOUT, wait).await;
        waited.with_context(|| format!("task {task} did not end within {TASK_TIMEOUT:?}"))?
    }

    /// Starts a download from the content app.
    ///
    /// # Errors
    /// If there is no answer, or another one than 200.
    pub(crate) async fn download(&self, url: reqwest::Url) -> anyhow::Result<reqwest::Response> {
        let answer = self.http.get(url.clone()).send().await;
        let answer = answer.with_context(|| format!("no answer from {url}"))?;
        anyhow::ensure!(answer.status() == 200, "{url} answers {}", answer.status());
        Ok(answer)
    }

    async fn send(&self, method: Method, href: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let url = format!("{}{href}", self.base);
        let mut request = self.http.request(method.clone(), &url).basic_auth("admin", Some(&self.password));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.with_context(|| format!("no answer to {method} {url}"))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("broken answer to {method} {url}"))?;
        anyhow::ensure!(status.is_success(), "{method} {url} answers {status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("{method} {url} does not answer JSON: {text}"))
    }
}

/// The text in `field`.
///
/// # Errors
/// If it is missing or no text.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    object[field].as_str().with_context(|| format!("no text in `{field}` of {object}"))
}
