//! A random mix of tasks on a few resources: through a dispatcher, and through the REST API.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entities::{Prn, Pulp, domain};
use http::Method;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tasking::{Dispatcher, Origin, Task};
use uuid::Uuid;

use super::history::{History, Micros};
use super::system::System;
use crate::fixtures::{FILES, REPOSITORIES, noise};
use crate::tasks::{Noop, Probe, Step, now};
use crate::{Client, try_send};

/// Resources that the tasks are about.
const RESOURCES: u32 = 5;

/// Different contents of files: few, so that they are deleted and made again all the time. The last is too
/// long to be kept in memory.
const CONTENTS: [usize; 5] = [10, 20, 30, 40, 100_000];

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tasks that were accepted: when they were asked for, and when that was answered. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Accepted(Arc<Mutex<HashMap<Uuid, (Micros, Micros)>>>);

impl Accepted {
    fn add(&self, id: Uuid, asked: Micros) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (asked, now()));
    }

    /// Adds what is known to a history.
    pub fn complete(&self, history: &mut History) {
        for (id, (asked, answered)) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            history.accepted.insert(*id);
            if let Some(task) = history.tasks.get_mut(id) {
                (task.asked, task.answered) = (Some(*asked), Some(*answered));
            }
        }
    }
}

/// What asks for tasks.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What was accepted.
    pub accepted: Accepted,
    dispatcher: Dispatcher,
    client: Client,
    /// Asks for nothing while this is set.
    pub paused: Arc<AtomicBool>,
    stopped: Arc<AtomicBool>,
    /// Requests that nobody answered in time, or with an error: their outcome is unknown.
    pub unanswered: Arc<AtomicU64>,
}

impl Workload {
    /// Opens the way to an installation. Its dispatcher is behind proxies, as every process.
    pub async fn open(system: &mut System) -> Workload {
        let environment: Vec<(OsString, OsString)> = system
            .slot("client")
            .environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let nowhere = system.media();
        let settings = entities::settings::load_from(&environment, &nowhere).unwrap().settings;
        let pulp = Pulp::open(Arc::new(settings), crate::tasks::kinds(), "fault test").await.unwrap();
        Workload {
            accepted: Accepted::default(),
            dispatcher: Dispatcher::new(pulp),
            client: Client::new(&system.api),
            paused: Arc::default(),
            stopped: Arc::default(),
            unanswered: Arc::default(),
        }
    }

    /// Dispatches a task; nothing if the outcome is unknown.
    pub async fn dispatch<T: Task>(&self, task: &T) -> Option<Uuid> {
        let origin = Origin {
            domain: domain::DEFAULT,
            user: None,
            logging_cid: "fault-test".to_owned(),
            parent: None,
            group: None,
        };
        let asked = now();
        match tokio::time::timeout(PATIENCE, self.dispatcher.dispatch(task, origin)).await {
            Ok(Ok(id)) => {
                self.accepted.add(id, asked);
                Some(id)
            }
            Ok(Err(_)) | Err(_) => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Cancels a task, if anybody answers.
    pub async fn cancel(&self, id: Uuid) {
        let _ = tokio::time::timeout(PATIENCE, self.dispatcher.cancel(id)).await;
    }

    /// Asks for tasks until [`Workload::stop`].
    pub async fn run(self, seed: u64, rest: bool) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut repository = None;
        while !self.stopped.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(random.random_range(10..220))).await;
            if self.paused.load(Ordering::Relaxed) {
                continue;
            }
            if rest {
                self.ask(&mut random, &mut repository).await;
            } else {
                self.dispatch_any(&mut random).await;
            }
        }
    }

    /// Uploads all contents, each until that is accepted.
    pub async fn upload_everything(&self, system: &mut System) {
        for which in 0..CONTENTS.len() {
            loop {
                system.supervise();
                let asked = now();
                let request = self.client.request(Method::POST, FILES).timeout(PATIENCE);
                match try_send(request.multipart(file(which))).await {
                    Ok(answer) if answer.status == 202 => {
                        if let Some(id) = task_id(&answer.body) {
                            self.accepted.add(id, asked);
                        }
                        break;
                    }
                    _ => tokio::time::sleep(Duration::from_millis(200)).await,
                }
            }
        }
    }

    /// Ends [`Workload::run`], once what is under way is answered.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    async fn dispatch_any(&self, random: &mut StdRng) {
        let exclusive: Vec<Prn> = some(random, &[0, 1, 1, 1, 2]);
        let shared = some(random, &[0, 0, 1, 2]).into_iter().filter(|one| !exclusive.contains(one)).collect();
        let id = if random.random_ratio(1, 4) {
            self.dispatch(&Noop { exclusive, shared, milliseconds: random.random_range(0..40) }).await
        } else {
            self.dispatch(&Probe { exclusive, shared, steps: steps(random) }).await
        };
        if let Some(id) = id
            && random.random_ratio(1, 6)
        {
            let (workload, after) = (self.clone(), Duration::from_millis(random.random_range(0..400)));
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                workload.cancel(id).await;
            });
        }
    }

    async fn ask(&self, random: &mut StdRng, repository: &mut Option<String>) {
        let (method, target, body) = match random.random_range(0..10) {
            0..5 => (Method::POST, FILES.to_owned(), None),
            5..8 => (
                Method::POST,
                "/pulp/api/v3/orphans/cleanup/".to_owned(),
                Some(json!({"orphan_protection_time": 0})),
            ),
            _ => match repository {
                None => {
                    let body = json!({"name": format!("r-{}", random.random::<u32>())});
                    let request =
                        self.client.request(Method::POST, REPOSITORIES).json(&body).timeout(PATIENCE);
                    if let Ok(answer) = try_send(request).await {
                        *repository = answer.body["pulp_href"].as_str().map(str::to_owned);
                    }
                    return;
                }
                Some(href) => {
                    let body = json!({"description": format!("{}", random.random::<u32>())});
                    (Method::PATCH, href.clone(), Some(body))
                }
            },
        };
        let request = self.client.request(method, &target).timeout(PATIENCE);
        let request = match body {
            Some(body) => request.json(&body),
            None => request.multipart(file(random.random_range(0..CONTENTS.len()))),
        };
        let asked = now();
        match try_send(request).await {
            Ok(answer) if answer.status == 202 => {
                if let Some(id) = task_id(&answer.body) {
                    self.accepted.add(id, asked);
                }
            }
            _ => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// One of the contents.
fn file(which: usize) -> Form {
    let part = Part::bytes(noise(CONTENTS[which], which as u64)).file_name("file");
    Form::new().text("relative_path", format!("file-{which}")).part("file", part)
}

fn task_id(body: &Value) -> Option<Uuid> {
    body["task"].as_str()?.trim_end_matches('/').rsplit('/').next()?.parse().ok()
}

/// The name of a resource.
pub fn resource(number: u32) -> Prn {
    Prn::literal(format!("prn:test.resource:{number}"))
}

fn some(random: &mut StdRng, counts: &[u32]) -> Vec<Prn> {
    let count = counts[random.random_range(0..counts.len())];
    let mut chosen: Vec<u32> = (0..count).map(|_| random.random_range(0..RESOURCES)).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen.into_iter().map(resource).collect()
}

fn steps(random: &mut StdRng) -> Vec<Step> {
    let count = random.random_range(0..5);
    let step = |random: &mut StdRng| match random.random_range(0..40) {
        0..16 => Step::Sleep(random.random_range(0..60)),
        16..28 => Step::Write,
        28..30 => Step::Sleep(random.random_range(500..3000)),
        30..33 => Step::Block(random.random_range(10..600)),
        33..35 => Step::Hold(random.random_range(10..400)),
        35..37 => Step::Child(resource(random.random_range(0..RESOURCES))),
        37..39 => Step::Fail,
        _ => Step::Panic,
    };
    (0..count).map(|_| step(random)).collect()
}
