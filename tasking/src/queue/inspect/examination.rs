//! Finds what is wrong in what one look has read.

use std::collections::{BTreeMap, HashMap, HashSet};

use entities::task::TaskState;
use uuid::Uuid;

use super::Inspector;
use super::diagnosis::{Look, PAUSE};
use super::findings::{Code, Finding, Repair};
use super::judge::Judge;
use super::overview::{LeaseView, WorkerState};
use super::reason::{Reason, Span};

/// How many findings of one kind are told.
const MOST: usize = 20;

/// Seconds after which a claim is late.
const LATE: f64 = 5.0;

/// Seconds by which clocks may differ.
const CLOCK: f64 = 5.0;

impl Inspector {
    pub(super) fn findings(&self, look: &Look) -> Vec<Finding> {
        let mut out = Vec::new();
        self.judge_servers(look, &mut out);
        self.judge_workers(look, &mut out);
        self.judge_queues(look, &mut out);
        self.judge_tasks(look, &mut out);
        out
    }

    fn judge_servers(&self, look: &Look, out: &mut Vec<Finding>) {
        let overview = &look.overview;
        let ahead = (chrono::Utc::now() - overview.at).num_milliseconds() as f64 / 1000.0;
        if ahead.abs() > CLOCK {
            let text = format!("the clocks of this machine and of Postgres differ by {}", Span(ahead.abs()));
            out.push(
                Finding::new(Code::Clock, "clock", text, "Let both follow the same time server.").note(),
            );
        }
        let Some(redis) = &overview.redis else { return };
        if let Some(error) = &redis.error {
            let advice = "Tasks are accepted and those that run go on; the others wait until it answers. Look at the \
                          server, and at REDIS_URL.";
            out.push(Finding::new(Code::RedisAway, "redis", format!("Redis {error}"), advice));
        }
        let Some(leader) = &overview.leader else { return };
        let late = leader.heartbeat_age.is_some_and(|age| age > self.patience().as_secs_f64());
        let no_leader = |text: String| {
            let advice = "Start one: pulpcore worker --resource-manager. Its log says why it ends.";
            Finding::new(Code::NoLeader, "leader", text, advice)
        };
        match (&leader.lease, redis.error.is_none()) {
            (None, true) => {
                out.push(no_leader("no resource manager leads: nobody holds the lease".to_owned()))
            }
            (None, false) if !leader.alive => {
                out.push(no_leader("no resource manager leads, as far as Postgres knows".to_owned()));
            }
            (Some(lease), _) if self.lasts_too_long(lease) => {
                let lasts = match lease.remaining {
                    Some(left) => format!("runs for another {}", Span(left)),
                    None => "never ends".to_owned(),
                };
                let text = format!("the lease, held by {}, {lasts}: nobody else can lead", lease.label);
                let advice = "The next resource manager that starts cuts it down; --repair deletes it, and a live \
                              leader takes it again at once.";
                let repair = Repair::DeleteLease { value: lease.value.clone() };
                out.push(Finding::new(Code::LeaseWithoutEnd, &lease.value, text, advice).mended_by(repair));
            }
            (Some(lease), _) if lease.holder != leader.process || !leader.alive => {
                let text = format!(
                    "{} holds the lease, but by the row of the leader (epoch {}) it does not lead",
                    lease.label, leader.epoch
                );
                let advice =
                    "It ends within seconds if an election is under way. Otherwise restart that process.";
                out.push(Finding::new(Code::LeaseOfAnother, "lease", text, advice));
            }
            _ => {}
        }
        if late && leader.lease.is_some() {
            let age = Span(leader.heartbeat_age.unwrap_or_default());
            let text = format!("the heartbeat of the leader is {age} old");
            let advice = "It is stopped, or cannot reach Postgres. Another one leads when its lease is over.";
            out.push(Finding::new(Code::SilentLeader, "leader", text, advice));
        }
    }

    /// Whether the lease runs for longer than any that is renewed. A second is for the look itself.
    fn lasts_too_long(&self, lease: &LeaseView) -> bool {
        let most = self.settings.resource_manager_lease.as_secs_f64() + 1.0;
        lease.remaining.is_none_or(|left| left > most)
    }

    fn judge_workers(&self, look: &Look, out: &mut Vec<Finding>) {
        let alive = |state: WorkerState| matches!(state, WorkerState::Idle | WorkerState::Busy);
        if !look.overview.workers.iter().any(|worker| alive(worker.state)) {
            let advice = "Start one: pulpcore worker. Its log says why it ends.";
            out.push(Finding::new(Code::NoWorker, "workers", "no worker is alive", advice));
        }
        let silent = look.overview.workers.iter().filter(|worker| worker.state == WorkerState::Silent);
        for worker in silent.take(MOST) {
            let runs = match &worker.task {
                Some(task) => format!("; it runs {} ({})", task.id, task.name),
                None => String::new(),
            };
            let text = format!("{} has been silent for {}{runs}", worker.name, Span(worker.heartbeat_age));
            let ttl = self.settings.worker_ttl.as_secs_f64();
            let advice = match self.is_routed() {
                true => format!("The leader gives it up after {}, and what it runs fails.", Span(ttl)),
                false => format!("The others give it up after {}, and what it runs fails.", Span(ttl)),
            };
            out.push(Finding::new(Code::SilentWorker, worker.id, text, &advice));
        }
    }

    fn judge_queues(&self, look: &Look, out: &mut Vec<Finding>) {
        let alive: HashMap<&str, Uuid> = look
            .overview
            .workers
            .iter()
            .filter(|worker| worker.state != WorkerState::GivenUp)
            .map(|worker| (worker.name.as_str(), worker.id))
            .collect();
        let rejected_only = |name: &str| {
            look.rejected.iter().any(|(queue, ..)| queue == name)
                && !look.orders.iter().any(|lying| lying.queue == name)
        };
        let mut strays: Vec<&String> = look
            .queues
            .iter()
            .filter(|name| !alive.contains_key(name.as_str()) && !rejected_only(name))
            .collect();
        strays.sort();
        for name in strays.into_iter().take(MOST) {
            let text = format!("{name} is not alive, and has a queue");
            let advice = "It does no harm: what was ordered there is ordered again elsewhere.";
            let repair = Repair::DeleteLists { name: name.clone() };
            out.push(Finding::new(Code::ListWithoutOwner, name, text, advice).mended_by(repair));
        }
        for (name, count, last) in look.rejected.iter().take(MOST) {
            let text =
                format!("{} to {name} could not be read, now kept aside; {last}", number(*count, "message"));
            let advice = "Is a process of another version about? No task is lost by it. --repair prints and drops them.";
            let repair = Repair::DropRejected { name: name.clone() };
            out.push(Finding::new(Code::RejectedMessages, name, text, advice).mended_by(repair));
        }
        let waiting: HashSet<Uuid> = look
            .tasks
            .iter()
            .filter(|task| task.state == TaskState::Waiting || task.worker.is_some())
            .map(|task| task.id)
            .collect();
        let stale = look.orders.iter().filter_map(|lying| {
            let order = &lying.order;
            let owner = alive.get(lying.queue.as_str())?;
            if *owner != order.worker {
                return Some((lying, "is for a worker of that name that is gone"));
            }
            (!waiting.contains(&order.task)).then_some((lying, "is for a task that is final"))
        });
        for (lying, why) in stale.take(MOST) {
            let text = format!("an order in the queue of {} {why} ({})", lying.queue, lying.order.task);
            let advice = "It is dropped when the worker reads it.";
            out.push(Finding::new(Code::StaleOrder, lying.order.task, text, advice).note());
        }
    }

    fn judge_tasks(&self, look: &Look, out: &mut Vec<Finding>) {
        let judge = Judge::of(look);
        let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut abandoned, mut unrouted, mut unclaimed) = (0, 0, 0);
        let patience = self.settings.task_cancel_interval.as_secs_f64() * 2.0 + LATE;
        for (number, task) in look.tasks.iter().enumerate() {
            match judge.reason(number, task) {
                Reason::Abandoned => abandoned += 1,
                Reason::UnknownTask => *unknown.entry(&task.name).or_default() += 1,
                Reason::Starting if task.age > PAUSE.as_secs_f64() => {
                    unrouted += 1;
                    if unrouted <= MOST {
                        let text = format!("{} ({}) could run, and nobody runs it", task.id, task.name);
                        let advice = match self.is_routed() {
                            true => {
                                "--repair tells the resource manager again. If that does not help, restart it."
                            }
                            false => "An idle worker looks every second. Look at the logs of the workers.",
                        };
                        let finding = Finding::new(Code::NotRouted, task.id, text, advice);
                        out.push(match self.is_routed() {
                            true => finding.mended_by(Repair::Ring { task: task.id }),
                            false => finding,
                        });
                    }
                }
                Reason::Ordered { worker, seconds } if seconds > LATE => {
                    unclaimed += 1;
                    if unclaimed <= MOST {
                        let text = format!(
                            "{} ({}) was given to {worker}, who has not begun for {}",
                            task.id,
                            task.name,
                            Span(seconds)
                        );
                        let advice =
                            "It is given to another one if there is one. Look at the log of that worker.";
                        out.push(Finding::new(Code::NotClaimed, task.id, text, advice));
                    }
                }
                Reason::Canceling { worker, seconds } if seconds > patience => {
                    let text = format!(
                        "{} ({}) was told {} ago to stop, on {worker}",
                        task.id,
                        task.name,
                        Span(seconds)
                    );
                    let advice = "Its worker should have ended by now. Kill it; the task ends canceled.";
                    out.push(Finding::new(Code::NotStopping, task.id, text, advice));
                }
                _ => {}
            }
        }
        if abandoned > 0 {
            let text = format!("{} said to run on a process that is gone", number(abandoned, "task"));
            let advice = match self.is_routed() {
                true => "The leader ends them; so does --repair.",
                false => "One of the workers ends them within a minute; so does --repair.",
            };
            out.push(
                Finding::new(Code::AbandonedTasks, "abandoned", text, advice).mended_by(Repair::EndAbandoned),
            );
        }
        for (name, count) in unknown.into_iter().take(MOST) {
            let text = format!(
                "{} called {name}, and no live worker has a task of that name",
                number(count, "task")
            );
            let ttl = Span(self.settings.worker_ttl.as_secs_f64());
            let advice = match look.dispatched.contains(name) {
                true => "The API is newer than the workers: update them. The tasks wait for that.".to_owned(),
                false => format!(
                    "Start a worker of the version that dispatched them. After {ttl} without one they fail."
                ),
            };
            out.push(Finding::new(Code::UnknownTask, name, text, &advice));
        }
    }
}

fn number(count: usize, of: &str) -> String {
    if count == 1 { format!("1 {of}") } else { format!("{count} {of}s") }
}
