//! Many roots, of which half have dead mirrors.

use std::{collections::BTreeSet, net::TcpListener};

use trustwright_testkit::http::Fault;
use trustwright_trust::tuf::Archive;

use super::*;

const LIVE: usize = 50;

#[tokio::test]
async fn of_a_hundred_roots_the_live_half_is_ready_and_polled_on_time_and_deletion_leaves_no_series()
-> Result<()> {
    let own = Own::start(&[]).await?;
    let roots = roots(&own);
    let repository = Repository::new().until(FOREVER);
    let published = repository.publish();
    let files = |index: usize| {
        let files = published.files();
        files.map(move |(path, bytes)| (format!("{index}/{path}"), bytes.to_vec()))
    };
    let archive: Archive = (0..LIVE).flat_map(files).collect();
    let (live, hanging) = (HttpServer::start(&archive).await?, HttpServer::start(&archive).await?);
    hanging.fail_everywhere(Fault::Hang);
    // Bound and never listened to again: connections are refused.
    let refusing = format!("http://{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?);

    let start = Instant::now();
    for index in 0..LIVE {
        let dead = if index % 2 == 0 { hanging.url() } else { &refusing };
        for (name, url) in [("dead", dead), ("live", live.url())] {
            let spec = spec(&repository, &format!("{url}/{index}"));
            let created = roots.objects.create(ROOT, &format!("{name}-{index}"), &spec).await;
            created.map_err(anyhow::Error::msg)?;
        }
    }
    let created = start.elapsed();
    let ready = |metrics: &str| {
        let ready = metrics.lines().filter(|line| {
            line.starts_with("trustwright_webhook_trustroot_info{trustroot=\"live-") && line.ends_with(" 1")
        });
        ready.count()
    };
    eventually("the live half in force", SOON, async || {
        let count = ready(&own.operator.metrics().await?);
        ensure!(count == LIVE, "{count} are");
        Ok(())
    })
    .await?;
    println!("{} created after {created:?}, {LIVE} in force after {:?}", 2 * LIVE, start.elapsed());
    roots.until_is("dead-1", "Ready", "False", "MirrorUnavailable").await?;

    // Every live one is asked within the interval and a little more, again and again.
    let mut slowest = Duration::ZERO;
    for _ in 0..2 {
        drop(live.asked());
        let (start, mut polled) = (Instant::now(), BTreeSet::new());
        eventually("all live mirrors asked", SOON, async || {
            let asked = live.asked().into_iter();
            polled.extend(
                asked.filter(|asked| asked.path.ends_with("/timestamp.json")).map(|asked| asked.path),
            );
            ensure!(polled.len() == LIVE, "{} are", polled.len());
            Ok(())
        })
        .await?;
        slowest = slowest.max(start.elapsed());
    }
    println!("all asked within {slowest:?}");
    assert!(slowest < INTERVAL + WAY, "{slowest:?}");
    roots.until_is("dead-0", "Ready", "False", "MirrorUnavailable").await?;
    assert_eq!(ready(&own.operator.metrics().await?), LIVE);

    let series = |metrics: &str| metrics.lines().filter(|line| line.contains("trustroot=\"")).count();
    assert!(series(&own.operator.metrics().await?) > 10 * LIVE);
    own.control_plane.kubectl(&["delete", "trustroots", "--all"]).await?;
    eventually("no series", SOON, async || {
        let metrics = own.operator.metrics().await?;
        ensure!(series(&metrics) == 0, "{} left", series(&metrics));
        Ok(())
    })
    .await?;
    drop(live.asked());
    // Longer than any of them would have waited.
    tokio::time::sleep(INTERVAL + WAY).await;
    assert_eq!(live.asked(), []);
    Ok(())
}
