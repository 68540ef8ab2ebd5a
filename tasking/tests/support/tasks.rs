//! Tasks to run.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use entities::Prn;
use serde::{Deserialize, Serialize};
use tasking::{Resources, Task, TaskContext, Tasks};
use uuid::Uuid;

pub fn all() -> Tasks {
    Tasks::default()
        .with::<Nap>()
        .with::<Fail>()
        .with::<Panic>()
        .with::<Blocking>()
        .with::<Deaf>()
        .with::<Freeze>()
        .with::<Fertile>()
        .and(tasking::tasks::core())
}

/// Sleeps.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Nap {
    pub milliseconds: u64,
    pub exclusive: Vec<Prn>,
    pub shared: Vec<Prn>,
}

impl Nap {
    pub fn of(milliseconds: u64) -> Nap {
        Nap { milliseconds, ..Nap::default() }
    }

    pub fn alone_on(mut self, resource: &str) -> Nap {
        self.exclusive.push(prn(resource));
        self
    }

    pub fn sharing(mut self, resource: &str) -> Nap {
        self.shared.push(prn(resource));
        self
    }
}

impl Task for Nap {
    const NAME: &'static str = "test.nap";

    fn resources(&self) -> Resources {
        Resources { exclusive: self.exclusive.clone(), shared: self.shared.clone() }
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        std::fs::write(cx.working_directory()?.join("file"), "text")?;
        let report = cx.progress("Napping", "nap", None).await?;
        tokio::time::sleep(Duration::from_millis(self.milliseconds)).await;
        drop(report);
        Ok(())
    }
}

/// Fails.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fail {}

impl Task for Fail {
    const NAME: &'static str = "test.fail";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, _cx: TaskContext) -> anyhow::Result<()> {
        Err(anyhow::anyhow!("the disk is \0 full").context("cannot write http://host/file"))
    }
}

/// Panics.
#[derive(Debug, Serialize, Deserialize)]
pub struct Panic {}

impl Task for Panic {
    const NAME: &'static str = "test.panic";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, _cx: TaskContext) -> anyhow::Result<()> {
        panic!("this should not happen")
    }
}

/// No worker knows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Unknown {}

impl Task for Unknown {
    const NAME: &'static str = "test.unknown";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, _cx: TaskContext) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Works in a thread, which looks whether it should stop.
#[derive(Debug, Serialize, Deserialize)]
pub struct Blocking {}

/// When the threads of [`Blocking`] were told.
pub static TOLD: Mutex<Option<HashMap<Uuid, Instant>>> = Mutex::new(None);

impl Task for Blocking {
    const NAME: &'static str = "test.blocking";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let work = move || {
            std::fs::write(cx.working_directory().unwrap().join("begun"), "").unwrap();
            while !cx.canceled().is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let mut told = TOLD.lock().unwrap();
            told.get_or_insert_default().insert(cx.task_id(), Instant::now());
        };
        Ok(tokio::task::spawn_blocking(work).await?)
    }
}

/// Dispatches a child once it is told to stop.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fertile {}

/// What came of the late child of each [`Fertile`].
pub static CHILD: Mutex<Option<HashMap<Uuid, Result<Uuid, String>>>> = Mutex::new(None);

impl Task for Fertile {
    const NAME: &'static str = "test.fertile";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let late = cx.clone();
        cx.dispatch(&Nap::of(0)).await?;
        tokio::spawn(async move {
            late.canceled().cancelled().await;
            let child = late.dispatch(&Nap::of(0)).await.map_err(|error| format!("{error:#}"));
            CHILD.lock().unwrap().get_or_insert_default().insert(late.task_id(), child);
        });
        std::future::pending().await
    }
}

/// Holds its thread and looks at nothing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deaf {
    pub milliseconds: u64,
    pub exclusive: Vec<Prn>,
}

impl Task for Deaf {
    const NAME: &'static str = "test.deaf";

    fn resources(&self) -> Resources {
        Resources { exclusive: self.exclusive.clone(), shared: Vec::new() }
    }

    async fn run(self, _cx: TaskContext) -> anyhow::Result<()> {
        std::thread::sleep(Duration::from_millis(self.milliseconds));
        Ok(())
    }
}

pub fn prn(name: &str) -> Prn {
    serde_json::from_value(serde_json::Value::from(format!("prn:test.resource:{name}"))).unwrap()
}

/// Blocks every thread of the runtime for a minute.
#[derive(Debug, Serialize, Deserialize)]
pub struct Freeze {}

impl Task for Freeze {
    const NAME: &'static str = "test.freeze";

    fn resources(&self) -> Resources {
        Resources::default()
    }

    async fn run(self, _cx: TaskContext) -> anyhow::Result<()> {
        let minute = Duration::from_secs(60);
        for _ in 0..16 {
            tokio::spawn(async move { std::thread::sleep(minute) });
        }
        std::thread::sleep(minute);
        Ok(())
    }
}
