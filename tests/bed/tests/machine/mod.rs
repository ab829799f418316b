//! What can be seen of this machine from outside a bed.

use std::{collections::BTreeSet, path::Path, process::Command};

/// What a bed must leave as it was: addresses, routes, links, firewall, mounts, control groups,
/// listeners, the kernel's settings and /etc. One line per fact.
pub(crate) fn machine() -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    let commands: [(&str, &str, &[&str]); 10] = [
        ("addresses", "ip", &["-o", "address"]),
        ("links", "ip", &["-o", "-brief", "link"]),
        ("routes", "ip", &["route", "show", "table", "all"]),
        ("namespaces", "lsns", &["--noheadings", "--type=net", "--output=NS"]),
        ("netns", "ip", &["netns", "list"]),
        ("nftables", "nft", &["list", "ruleset"]),
        ("iptables", "iptables-save", &[]),
        ("listeners", "sh", &["-c", "ss -Hltn | awk '{print $4}'"]),
        ("cgroups", "sh", &["-c", "cd /sys/fs/cgroup && find . -maxdepth 2 -type d"]),
        ("etc", "sh", &["-c", "find /etc -xdev -printf '%p %s %T@\\n'"]),
    ];
    for (what, program, words) in commands {
        let output = Command::new(program).args(words).output().expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() || text.is_empty(), "{program} {words:?} failed");
        // Leases of addresses run down (behind the backslash), and firewall dumps carry a date.
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let lines = lines.map(|line| line.split('\\').next().unwrap_or_default().trim_end());
        let before = facts.len();
        facts.extend(lines.map(|line| format!("{what}: {line}")));
        let may_be_empty = ["netns", "nftables", "iptables", "routes", "listeners"].contains(&what);
        assert!(may_be_empty || facts.len() > before, "{what}: nothing was seen");
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts can be read");
    facts.extend(mounts.lines().map(|line| format!("mount: {line}")));
    for setting in [
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "kernel/panic",
        "kernel/panic_on_oops",
        "net/ipv4/ip_forward",
        "kernel/keys/root_maxkeys",
        "net/netfilter/nf_conntrack_max",
    ] {
        let value =
            std::fs::read_to_string(Path::new("/proc/sys").join(setting)).unwrap_or_default();
        facts.insert(format!("setting: {setting} {}", value.trim()));
    }
    facts
}
