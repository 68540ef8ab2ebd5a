//! What the queues show: whose orders were followed, and when they were acknowledged.

use std::collections::HashMap;

use uuid::Uuid;

use super::Violation;
use crate::faults::history::{Event, History, Micros, Seen};

/// An order and its place in what was seen.
#[derive(Clone, Copy)]
struct Order<'a> {
    position: usize,
    at: Micros,
    queue: &'a str,
    epoch: i64,
}

/// Orders by task and worker, oldest first.
fn by_claim(history: &History) -> HashMap<(Uuid, Uuid), Vec<Order<'_>>> {
    let mut orders: HashMap<(Uuid, Uuid), Vec<Order<'_>>> = HashMap::new();
    for (position, seen) in history.redis.iter().enumerate() {
        if let Event::Order { queue, task, worker, epoch } = &seen.what {
            let order = Order { position, at: seen.at, queue, epoch: *epoch };
            orders.entry((*task, *worker)).or_default().push(order);
        }
    }
    orders
}

/// The orders of a task and their acknowledgements, for people.
pub(super) fn orders(history: &History, id: Uuid) -> Vec<(Micros, String)> {
    let order = |seen: &Seen| match &seen.what {
        Event::Order { queue, task, epoch, .. } if *task == id => {
            Some((seen.at, format!("ordered to {queue} in epoch {epoch}")))
        }
        Event::Acknowledge { queue, task: Some(task) } if *task == id => {
            Some((seen.at, format!("acknowledged by {queue}")))
        }
        _ => None,
    };
    history.redis.iter().filter_map(order).collect()
}

/// No claim follows an order of an epoch that is over.
pub(super) fn epochs(history: &History, violations: &mut Vec<Violation>) {
    let orders = by_claim(history);
    for (id, task) in &history.tasks {
        let Some((claim, worker)) = task.claim() else { continue };
        let Some(orders) = orders.get(&(*id, worker)) else { continue };
        let current = history.epochs.iter().filter(|epoch| epoch.at < claim).max_by_key(|epoch| epoch.epoch);
        let Some(current) = current else { continue };
        let before = || orders.iter().filter(|order| order.at < claim);
        let Some(last) = before().map(|order| order.epoch).max() else { continue };
        // An order of the current leader may have gone unseen.
        let blind = |seen: &Seen| seen.what == Event::Blind && seen.at >= current.at;
        let first = before().map(|order| order.position).max().unwrap_or(0);
        if last < current.epoch
            && !history.redis[first..].iter().take_while(|seen| seen.at < claim).any(blind)
        {
            let detail = format!("{id} was claimed in epoch {} by an order of epoch {last}", current.epoch);
            violations.push(Violation { rule: "epoch", detail, tasks: vec![*id] });
        }
    }
}

/// After its lease is lost, a leader sends nothing under its epoch.
pub(super) fn leases(history: &History, violations: &mut Vec<Violation>) {
    let mut over = i64::MIN;
    for seen in &history.redis {
        match &seen.what {
            Event::Lost => {
                let led = history.epochs.iter().filter(|epoch| epoch.at < seen.at).map(|epoch| epoch.epoch);
                over = led.max().unwrap_or(i64::MIN).max(over);
            }
            Event::Order { task, epoch, queue, .. } if *epoch <= over => {
                let detail =
                    format!("{task} was ordered to {queue} in epoch {epoch}, whose lease was lost before");
                violations.push(Violation { rule: "lease", detail, tasks: vec![*task] });
            }
            _ => {}
        }
    }
}

/// An order that was taken is acknowledged after its claim. One that was acknowledged before, and was not in
/// the queue to be taken later, was on no list when it was claimed.
pub(super) fn acknowledgements(history: &History, violations: &mut Vec<Violation>) {
    let orders = by_claim(history);
    for (id, task) in &history.tasks {
        let Some((claim, worker)) = task.claim() else { continue };
        let last =
            orders.get(&(*id, worker)).and_then(|orders| orders.iter().rfind(|order| order.at < claim));
        let Some(last) = last else { continue };
        let mut acknowledged = false;
        for seen in history.redis[last.position..].iter().take_while(|seen| seen.at < claim) {
            match &seen.what {
                Event::Acknowledge { queue, task }
                    if queue == last.queue && task.is_none_or(|task| task == *id) =>
                {
                    acknowledged = true;
                }
                Event::Take(queue) if queue == last.queue => acknowledged = false,
                Event::Lost | Event::Blind => {
                    acknowledged = false;
                    break;
                }
                _ => {}
            }
        }
        if acknowledged {
            let detail =
                format!("the order of {id} to {} was acknowledged before it was claimed", last.queue);
            violations.push(Violation { rule: "acknowledged", detail, tasks: vec![*id] });
        }
    }
}
