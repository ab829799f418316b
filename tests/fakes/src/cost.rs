//! What a process costs, as the kernel counts it.

use std::{fs::read_to_string, time::Duration};

/// The time that processors spent on it so far, all its threads (proc(5), `stat`, fields 14 and 15, in hundredths of a
/// second); nothing if it is gone.
pub fn processor_time(pid: i32) -> Duration {
    let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold spaces.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let spent = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = spent.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Its resident memory in KiB (proc(5), `VmRSS`); nothing if it is gone.
pub fn memory_kib(pid: i32) -> u64 {
    let status = read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A process and those below it, parents before their children.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let list = read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let list = list.unwrap_or_default();
        found.extend(list.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        next += 1;
    }
    found
}
