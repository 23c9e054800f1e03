-- A process that hears hints (store/notify.rs), and now and then reads what it heard.
LISTEN trainyard_watchers;
\sleep 2 s
