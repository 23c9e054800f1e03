use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, UploadPart,
};

use super::*;

const PATIENT: Until<'static> = Until { patience: Duration::from_secs(60), is_wanted: &|| true };

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

/// A store in memory that fails one kind of call, or never answers it.
#[derive(Debug, Default)]
struct Failing {
    inner: Arc<InMemory>,
    /// The part, from 1, that is not stored.
    part: Option<usize>,
    completes: bool,
    copies: bool,
    hangs: bool,
    n_aborted: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct FailingUpload {
    inner: Box<dyn MultipartUpload>,
    n_parts: usize,
    part: Option<usize>,
    completes: bool,
    hangs: bool,
    n_aborted: Arc<AtomicUsize>,
}

fn refused(what: &str) -> object_store::Error {
    object_store::Error::Generic { store: "Failing", source: what.into() }
}

#[async_trait]
impl MultipartUpload for FailingUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        self.n_parts += 1;
        if self.part != Some(self.n_parts) {
            return self.inner.put_part(part);
        }
        let hangs = self.hangs;
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Err(refused("a part"))
        })
    }

    async fn complete(&mut self) -> Result<PutResult, object_store::Error> {
        if self.completes { self.inner.complete().await } else { Err(refused("the end")) }
    }

    async fn abort(&mut self) -> Result<(), object_store::Error> {
        self.n_aborted.fetch_add(1, Ordering::Relaxed);
        self.inner.abort().await
    }
}

impl std::fmt::Display for Failing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Failing")
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(
        &self,
        at: &Path,
        bytes: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult, object_store::Error> {
        self.inner.put_opts(at, bytes, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>, object_store::Error> {
        let inner = self.inner.put_multipart_opts(at, options).await?;
        let (Self { part, completes, hangs, .. }, n_aborted) = (self, self.n_aborted.clone());
        let (part, completes, hangs) = (*part, *completes, *hangs);
        Ok(Box::new(FailingUpload { inner, n_parts: 0, part, completes, hangs, n_aborted }))
    }

    async fn get_opts(
        &self,
        at: &Path,
        options: GetOptions,
    ) -> Result<GetResult, object_store::Error> {
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path, object_store::Error>>,
    ) -> BoxStream<'static, Result<Path, object_store::Error>> {
        self.inner.delete_stream(paths)
    }

    fn list(
        &self,
        prefix: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta, object_store::Error>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(
        &self,
        prefix: Option<&Path>,
    ) -> Result<ListResult, object_store::Error> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> Result<(), object_store::Error> {
        if self.copies {
            self.inner.copy_opts(from, to, options).await
        } else {
            Err(refused("a copy"))
        }
    }
}

#[test]
fn whatever_call_fails_says_so_and_nothing_stays() {
    let runtime = runtime();
    let whole = || Failing { completes: true, copies: true, ..Failing::default() };
    let hangs = || Failing { part: Some(2), hangs: true, ..whole() };
    let (wanted, unwanted) = (|| true, || false);
    type Case<'a> = (Failing, (u64, &'a dyn Fn() -> bool), Option<&'a str>, usize);
    let cases: [Case<'_>; 7] = [
        (whole(), (60, &wanted), None, 0),
        (Failing { part: Some(1), ..whole() }, (60, &wanted), Some("a part"), 1),
        (Failing { part: Some(5), ..whole() }, (60, &wanted), Some("a part"), 1),
        (Failing { completes: false, ..whole() }, (60, &wanted), Some("the end"), 1),
        (Failing { copies: false, ..whole() }, (60, &wanted), Some("a copy"), 0),
        (hangs(), (1, &wanted), Some("too long"), 0),
        (hangs(), (60, &unwanted), Some("nobody wants it"), 0),
    ];
    for (store, (seconds, is_wanted), reason, n_aborted) in cases {
        let (inner, aborted) = (Arc::clone(&store.inner), Arc::clone(&store.n_aborted));
        let blobs = Blobs { part_bytes: 5 << 20, ..Blobs::over(Arc::new(store), Clock::system()) };
        let write = |to: &mut dyn Write| (0..50).try_for_each(|i| to.write_all(&[i; 1 << 20]));
        let until = Until { patience: Duration::from_secs(seconds), is_wanted };
        match (blobs.write(runtime.handle(), until, write), reason) {
            (Ok((_, size_bytes)), None) => assert_eq!(size_bytes, 50 << 20),
            (Err(error), Some(reason)) => {
                let found = with_causes(&error);
                assert!(found.contains(reason), "{found} is not {reason}");
            }
            (written, reason) => panic!("{written:?} is not {reason:?}"),
        }
        let stored = || runtime.block_on(inner.list(None).try_collect::<Vec<_>>()).unwrap().len();
        eventually(|| stored() == usize::from(reason.is_none()));
        assert_eq!(aborted.load(Ordering::Relaxed), n_aborted, "{reason:?}");
    }
}

/// What is tidied up is tidied up beside.
fn eventually(is_so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never was so");
}

#[test]
fn what_was_on_its_way_when_a_process_was_killed_goes_too() {
    let (blobs, directory) = blobs();
    let runtime = runtime();
    let name = runtime.block_on(blobs.put(b"whole".to_vec())).unwrap();
    let at = |path: &str| directory.path().join(path);
    let staged = Clock::system().new_uuid();
    let prefix = &name[..2];
    let ours = [
        format!("staging/{staged}#1"),
        format!("staging/{staged}#12"),
        format!("staging/{staged}"),
        format!("blobs/{prefix}/{name}#1"),
    ];
    // What has other names is somebody else's.
    let others = [
        "staging/whole".to_owned(),
        "staging/half#1".to_owned(),
        format!("staging/{staged}#x"),
        format!("staging/{staged}#"),
        format!("staging/folder/{staged}"),
        format!("blobs/{name}#1"),
        format!("blobs/{prefix}/other#1"),
        format!("blobs/other/{name}#1"),
    ];
    let plant = || {
        for path in ours.iter().chain(&others).map(|path| at(path)) {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "half").unwrap();
        }
    };
    plant();
    assert_eq!(runtime.block_on(blobs.sweep_staging()).unwrap(), 0, "they are young");
    let tomorrow = Clock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "the files' own clock, a day on")]
        let now = std::time::SystemTime::now();
        now + SWEEP_AGE + Duration::from_secs(60)
    });
    let later = Blobs { clock: tomorrow, ..blobs.clone() };
    for clear in [false, true] {
        plant();
        let cleared =
            async { if clear { blobs.clear_staging().await } else { later.sweep_staging().await } };
        assert_eq!(runtime.block_on(cleared).unwrap(), ours.len(), "{clear}");
        assert!(ours.iter().all(|path| !at(path).exists()), "{clear}");
        assert!(others.iter().all(|path| at(path).exists()), "{clear}");
    }
    assert_eq!(runtime.block_on(blobs.get(&name)).unwrap(), "whole");
    let old = runtime.block_on(later.old(&HashSet::new())).unwrap();
    assert_eq!(old, [name], "of other names there is no blob");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn what_is_written_is_a_blob_however_large() {
    let (blobs, directory) = blobs();
    let runtime = runtime();
    let part = blobs.part_bytes;
    for (n, len) in [0, 3, part - 1, part, part + 1, 5 * part, 5 * part + 7].into_iter().enumerate()
    {
        let bytes: Vec<u8> = (0..len).map(|i| (i / 3 + n) as u8).collect();
        let write =
            |to: &mut dyn Write| bytes.chunks(100_000).try_for_each(|some| to.write_all(some));
        let (name, size_bytes) = blobs.write(runtime.handle(), PATIENT, write).unwrap();
        assert_eq!((name.as_str(), size_bytes), (&*hex(&Sha256::digest(&bytes)), len as u64));
        assert_eq!(runtime.block_on(blobs.get(&name)).unwrap(), bytes);
        let mut found = Vec::new();
        let mut file = blobs.open_checked(&name, runtime.handle()).unwrap();
        io::Read::read_to_end(&mut file, &mut found).unwrap();
        assert!(found == bytes, "{len} bytes");
        eventually(|| files(&directory) == n + 1);
    }
    let path = directory.path().join("blobs");
    std::fs::remove_dir_all(path).unwrap();
    // Whatever fails says so, and nothing stays.
    for len in [10, part, 4 * part + 10] {
        let broken = |to: &mut dyn Write| {
            to.write_all(&vec![7; len])?;
            Err(io::Error::other("the fit's own"))
        };
        let error = blobs.write(runtime.handle(), PATIENT, broken).unwrap_err();
        assert_eq!(error.to_string(), "blob: the fit's own");
        eventually(|| files(&directory) == 0);
    }
    std::fs::remove_dir_all(directory.path().join("staging")).unwrap();
    std::fs::write(directory.path().join("staging"), "no folder").unwrap();
    for len in [2 * part, 9 * part] {
        let write = |to: &mut dyn Write| to.write_all(&vec![7; len]);
        let error = blobs.write(runtime.handle(), PATIENT, write).unwrap_err();
        assert!(matches!(error, BlobError::Store(_) | BlobError::Io(_)), "{error:?}");
        assert!(!error.to_string().contains("broken pipe"), "{error}");
    }
}

#[test]
fn a_changed_blob_is_not_opened() {
    let (blobs, directory) = blobs();
    let runtime = runtime();
    let (name, _) = blobs.write(runtime.handle(), PATIENT, |to| to.write_all(b"state")).unwrap();
    let path = directory.path().join("blobs").join(&name[..2]).join(&name);
    std::fs::write(path, "STATE").unwrap();
    let opened = blobs.open_checked(&name, runtime.handle());
    assert!(matches!(opened, Err(BlobError::Changed { .. })));
}
