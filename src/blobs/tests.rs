use super::*;
use futures_util::stream;

fn blobs() -> (Blobs, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Blobs::local(directory.path(), Clock::system()).unwrap(), directory)
}

fn files(directory: &tempfile::TempDir) -> usize {
    fn count(path: &FilePath) -> usize {
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                if path.is_dir() { count(&path) } else { 1 }
            })
            .sum()
    }
    count(directory.path())
}

#[tokio::test]
async fn a_stream_becomes_a_named_blob() {
    let (blobs, directory) = blobs();
    let body = stream::iter([Ok::<_, String>(Bytes::from("ab")), Ok(Bytes::from("c"))]);
    let staged = blobs.stage(body, 3).await.unwrap();
    // SHA-256 of "abc", from FIPS 180-2.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((staged.sha256.as_str(), staged.size_bytes), (abc, 3));
    blobs.keep(&staged).await.unwrap();
    assert_eq!(blobs.get(abc).await.unwrap(), "abc");
    // Once more, should the first have been in vain, and where it was not.
    blobs.delete(abc).await.unwrap();
    blobs.keep_again(&staged).await.unwrap();
    blobs.keep_again(&staged).await.unwrap();
    blobs.discard(staged).await;
    assert_eq!((blobs.get(abc).await.unwrap(), files(&directory)), ("abc".into(), 1));
}

#[tokio::test]
async fn nothing_stays_of_a_body_that_is_too_large_or_breaks_off() {
    let (blobs, directory) = blobs();
    let large = stream::repeat_with(|| Ok::<_, String>(Bytes::from(vec![0; 1 << 20]))).take(5);
    let error = blobs.stage(large, (4 << 20) + 1).await.unwrap_err();
    assert!(matches!(error, BlobError::TooLarge(_)));
    let broken =
        stream::iter([Ok(Bytes::from(vec![0; 3 << 20])), Err("connection reset".to_owned())]);
    assert!(blobs.stage(broken, u64::MAX).await.is_err());
    assert_eq!(files(&directory), 0);
}

#[tokio::test]
async fn changed_bytes_are_noticed() {
    let (blobs, directory) = blobs();
    let name = blobs.put(b"model".to_vec()).await.unwrap();
    let path = directory.path().join("blobs").join(&name[..2]).join(&name);
    std::fs::write(path, "MODEL").unwrap();
    assert!(matches!(blobs.get(&name).await, Err(BlobError::Changed { .. })));
}

#[tokio::test]
async fn what_is_young_or_in_use_is_not_old() {
    let directory = tempfile::tempdir().unwrap();
    let tomorrow = Clock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "the files' own clock, a day on")]
        let now = std::time::SystemTime::now();
        now + SWEEP_AGE + Duration::from_secs(60)
    });
    let blobs = Blobs::local(directory.path(), tomorrow).unwrap();
    let used = blobs.put(b"used".to_vec()).await.unwrap();
    let unused = blobs.put(b"unused".to_vec()).await.unwrap();
    let today = Blobs { clock: Clock::system(), ..blobs.clone() };
    assert_eq!(today.old(&HashSet::new()).await.unwrap(), [""; 0]);
    let old = blobs.old(&HashSet::from([used.clone()])).await.unwrap();
    assert_eq!(old, [unused.as_str()]);
    assert!(!today.delete_old(&unused).await.unwrap(), "it was stored again");
    assert!(blobs.delete_old(&unused).await.unwrap());
    assert!(blobs.get(&unused).await.unwrap_err().is_missing());
    assert_eq!(blobs.get(&used).await.unwrap(), "used");
}

#[test]
fn what_is_written_is_a_blob_however_large() {
    let (blobs, directory) = blobs();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let part = blobs.part_bytes;
    for (n, len) in [0, 3, part - 1, part, part + 1, 5 * part, 5 * part + 7].into_iter().enumerate()
    {
        let bytes: Vec<u8> = (0..len).map(|i| (i / 3 + n) as u8).collect();
        let write =
            |to: &mut dyn Write| bytes.chunks(100_000).try_for_each(|some| to.write_all(some));
        let (name, size_bytes) = blobs.write(runtime.handle(), write).unwrap();
        assert_eq!((name.as_str(), size_bytes), (&*hex(&Sha256::digest(&bytes)), len as u64));
        assert_eq!(runtime.block_on(blobs.get(&name)).unwrap(), bytes);
        let mut found = Vec::new();
        let mut file = blobs.open_checked(&name, runtime.handle()).unwrap();
        io::Read::read_to_end(&mut file, &mut found).unwrap();
        assert_eq!((found, files(&directory)), (bytes, n + 1));
    }
    let path = directory.path().join("blobs");
    std::fs::remove_dir_all(path).unwrap();
    // Whatever fails says so, and nothing stays.
    for len in [10, part, 4 * part + 10] {
        let broken = |to: &mut dyn Write| {
            to.write_all(&vec![7; len])?;
            Err(io::Error::other("the fit's own"))
        };
        let error = blobs.write(runtime.handle(), broken).unwrap_err();
        assert_eq!((error.to_string().as_str(), files(&directory)), ("blob: the fit's own", 0));
    }
    std::fs::remove_dir_all(directory.path().join("staging")).unwrap();
    std::fs::write(directory.path().join("staging"), "no folder").unwrap();
    for len in [2 * part, 9 * part] {
        let write = |to: &mut dyn Write| to.write_all(&vec![7; len]);
        let error = blobs.write(runtime.handle(), write).unwrap_err();
        assert!(matches!(error, BlobError::Store(_) | BlobError::Io(_)), "{error:?}");
        assert!(!error.to_string().contains("broken pipe"), "{error}");
    }
}

#[test]
fn a_changed_blob_is_not_opened() {
    let (blobs, directory) = blobs();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (name, _) = blobs.write(runtime.handle(), |to| to.write_all(b"state")).unwrap();
    let path = directory.path().join("blobs").join(&name[..2]).join(&name);
    std::fs::write(path, "STATE").unwrap();
    let opened = blobs.open_checked(&name, runtime.handle());
    assert!(matches!(opened, Err(BlobError::Changed { .. })));
}
