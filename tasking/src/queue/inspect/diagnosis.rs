//! What `tasks doctor` tells: why each unfinished task is not done, and what is wrong.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::findings::{Code, Finding};
use super::judge::Judge;
use super::overview::Overview;
use super::queues::Lying;
use super::reason::Reason;
use super::unfinished::Unfinished;
use super::{Inspector, processes, queues, unfinished};
use crate::queue::process::RESOURCE_MANAGER;

/// Pause between two looks: what is under way is done by then.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// What a look has brought. Times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// Whether nothing needs to be done.
    pub healthy: bool,
    /// What is wrong, and what is worth saying.
    pub findings: Vec<Finding>,
    /// The oldest unfinished tasks: those that run, then those that wait.
    pub tasks: Vec<TaskView>,
    /// How many unfinished tasks there are for each reason, those above included.
    pub totals: BTreeMap<&'static str, usize>,
    /// The rest of what was seen.
    pub overview: Overview,
}

/// An unfinished task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskView {
    /// The task.
    pub id: Uuid,
    /// Its dotted name.
    pub name: Arc<str>,
    /// Since its dispatch.
    pub age: f64,
    /// Why it is not done.
    pub reason: Reason,
    /// The same for people.
    pub text: String,
}

/// What one look has read.
pub(super) struct Look {
    pub(super) overview: Overview,
    pub(super) tasks: Vec<Unfinished>,
    /// Which workers know which task.
    pub(super) skills: HashMap<String, Vec<Uuid>>,
    /// Tasks that servers know.
    pub(super) dispatched: HashSet<String>,
    pub(super) orders: Vec<Lying>,
    /// All queues of workers that have a list in Redis.
    pub(super) queues: HashSet<String>,
    /// Queues with messages that were kept aside: how many, and the last one.
    pub(super) rejected: Vec<(String, usize, String)>,
}

impl Inspector {
    /// Finds out why tasks are not done, and what is wrong. Shows the `limit` oldest tasks. What is wrong is
    /// looked at twice, so that what is just under way is not told.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn diagnose(&self, limit: usize) -> anyhow::Result<Diagnosis> {
        let first = self.look(limit).await?;
        let before = self.findings(&first);
        if before.is_empty() {
            return Ok(self.tell(first, Vec::new(), limit));
        }
        tokio::time::sleep(PAUSE).await;
        let second = self.look(limit).await?;
        let before: HashSet<(Code, String)> =
            before.into_iter().map(|finding| (finding.code, finding.subject)).collect();
        let mut findings = self.findings(&second);
        findings.retain(|finding| before.contains(&(finding.code, finding.subject.clone())));
        Ok(self.tell(second, findings, limit))
    }

    async fn look(&self, limit: usize) -> anyhow::Result<Look> {
        let mut overview = self.overview().await?;
        let tasks = unfinished::read(&self.db, limit).await?;
        let skills = processes::skills(&self.db).await?;
        let dispatched = processes::dispatched(&self.db).await?;
        let mut look = Look {
            overview: overview.clone(),
            tasks,
            skills,
            dispatched,
            orders: Vec::new(),
            queues: HashSet::new(),
            rejected: Vec::new(),
        };
        if let Some((redis, mut connection)) = self.redis.clone()
            && overview.redis.as_ref().is_some_and(|redis| redis.error.is_none())
        {
            let workers: HashSet<&str> = overview.workers.iter().map(|worker| worker.name.as_str()).collect();
            let reading = async {
                let names = queues::names(&redis, &mut connection, &workers).await?;
                let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
                all.sort_unstable();
                let orders = queues::orders(&redis, &mut connection, &all).await?;
                all.push(RESOURCE_MANAGER);
                let lengths = queues::lengths(&redis, &mut connection, &all).await?;
                let mut rejected = Vec::new();
                for (name, lengths) in all.iter().zip(lengths) {
                    if lengths.rejected > 0 {
                        let last = queues::rejected(&redis, &mut connection, name).await?;
                        let text = last.first().map(|last| {
                            format!(
                                "the last one {}: {} ({} bytes: {:.60})",
                                last.at.format("%Y-%m-%d %H:%M:%S UTC"),
                                last.why,
                                last.length,
                                last.bytes
                            )
                        });
                        rejected.push((
                            (*name).to_owned(),
                            lengths.rejected as usize,
                            text.unwrap_or_default(),
                        ));
                    }
                }
                anyhow::Ok((names.clone(), orders, rejected))
            };
            match reading.await {
                Ok((queues, orders, rejected)) => {
                    (look.queues, look.orders, look.rejected) = (queues, orders, rejected)
                }
                Err(error) => {
                    if let Some(redis) = &mut overview.redis {
                        redis.error = Some(super::complaint(&error));
                    }
                    look.overview = overview;
                }
            }
        }
        Ok(look)
    }

    fn tell(&self, look: Look, findings: Vec<Finding>, limit: usize) -> Diagnosis {
        let judge = Judge::of(&look);
        let mut totals = BTreeMap::new();
        for (number, task) in look.tasks.iter().enumerate() {
            *totals.entry(judge.reason(number, task).code()).or_insert(0) += 1;
        }
        let shown = look.tasks.iter().enumerate().take(limit);
        let tasks = shown.map(|(number, task)| {
            let reason = judge.reason(number, task);
            let text = reason.to_string();
            TaskView { id: task.id, name: task.name.clone(), age: task.age, reason, text }
        });
        let tasks = tasks.collect();
        let healthy = findings.iter().all(|finding| !finding.needs_action);
        Diagnosis { healthy, findings, tasks, totals, overview: look.overview }
    }
}
