//! Some sleepers are asked for at once, or one by many: all are answered, each is woken by one write, and what that
//! takes is printed beside the least it could take.

use std::time::{Duration, Instant};

use futures::future::join_all;
use understudy_bed::{Error, Profile, Result};
use understudy_fakes::{edge::get, figures::median};

use crate::{floor::Floor, scene::Sleepers};

/// How many ask for a single sleeper.
const MANY: usize = 100;

/// Each crowd as often as it says. `after` is how long a preview stays awake; notes that it is in use come three times
/// as often, and none should fall into what is measured.
pub(crate) async fn crowds(
    profile: Profile,
    after: Duration,
    crowds: &[(usize, usize)],
) -> Result<()> {
    let most = crowds.iter().map(|(crowd, _)| *crowd).max().unwrap_or(1);
    let sleepers = Sleepers::new(profile, after).await?;
    let floor = Floor::new(&sleepers, profile, most).await?;
    let names: Vec<String> =
        (0..most).map(|index| format!("{}-{index}", std::process::id())).collect();
    sleepers.open(&names).await?;
    sleepers.asleep(&names).await?;
    for (crowd, times) in crowds {
        let chosen = names.get(..*crowd).unwrap_or(&names);
        let (mut least, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..*times {
            least.extend(floor.measure(&sleepers, *crowd).await?);
            let mark = sleepers.history.mark();
            ours.extend(woken(&sleepers, chosen, 1).await?);
            sleepers.asleep(&names).await?;
            once(&sleepers, chosen, mark);
        }
        tell(*crowd, &least, &ours);
    }
    let one = names.get(..1).unwrap_or(&names);
    let mark = sleepers.history.mark();
    let times = woken(&sleepers, one, MANY).await?;
    sleepers.asleep(&names).await?;
    once(&sleepers, one, mark);
    let last = times.iter().copied().fold(0.0, f64::max);
    println!(
        "measured: {MANY} requests to one sleeper: all answered after {:.0} ms, 1 write",
        last * 1e3
    );
    floor.clear(&sleepers).await?;
    sleepers.scene.clear().await
}

/// Asks for all of them at once, each so often; how long each took to answer, in seconds. Nobody is lost.
async fn woken(sleepers: &Sleepers, names: &[String], often: usize) -> Result<Vec<f64>> {
    let (address, began) = (sleepers.edge.plain(), Instant::now());
    let asked = names.iter().flat_map(|name| std::iter::repeat_n(name, often)).map(|name| {
        let (address, host) = (address.clone(), Sleepers::host(name));
        tokio::spawn(async move {
            let answer = get(&address, &host, "/").await?;
            let took = began.elapsed().as_secs_f64();
            if answer.status() != 200 {
                return Err(Error::Bed(format!("{host}: {} {:?}", answer.status(), answer.body())));
            }
            Ok(took)
        })
    });
    let answers = join_all(asked).await;
    let mut times = Vec::new();
    for answer in answers {
        times.push(answer.map_err(|error| Error::Bed(error.to_string()))??);
    }
    Ok(times)
}

/// Each was woken once since the mark, now that they sleep again.
fn once(sleepers: &Sleepers, names: &[String], mark: usize) {
    let wakes = sleepers.wakes(mark);
    for name in names {
        let often = wakes.iter().find(|(one, _)| one == name).map_or(0, |(_, often)| *often);
        assert_eq!(often, 1, "{name} was woken {often} times");
    }
}

fn tell(crowd: usize, least: &[f64], ours: &[f64]) {
    let (floor, wake) = (median(least), median(ours));
    println!(
        "measured: {crowd} woken at once, {} in all: {:.0} ms, floor {:.0} ms, {:.2} times, {:.0} ms more; 0 lost, 1 \
         write each",
        ours.len(),
        wake * 1e3,
        floor * 1e3,
        wake / floor,
        (wake - floor) * 1e3
    );
}
