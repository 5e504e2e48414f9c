DROP: list[str] = []
MOVES: dict[str, str] = {}
STAY = {"src/quorate/host/__init__.py", "src/quorate/cli/__init__.py", "src/quorate/client/__init__.py", "src/quorate/cli/main.py",
        "src/quorate/cli/simulate.py", "src/quorate/client/client.py", "src/quorate/client/identity.py", "src/quorate/cli/doctor/__init__.py"}
H = "src/quorate/host/"
C = "src/quorate/cli/"
# from (old path), to (new path), names
SPLITS = [
    (H + "config.py", H + "settings/limits.py", ["Limits"]),
    (H + "config.py", H + "settings/paths.py", ["state_dir", "StatePaths", "machine_name"]),
    (H + "admin_tls.py", H + "settings/networks.py", ["is_loopback"]),
    (H + "metrics.py", H + "admin/views.py", ["GroupCount"]),
    (H + "papers_watch.py", H + "identity/publisher_client.py", ["publisher_address"]),
    (H + "process.py", H + "process/lock.py", ["Running", "StateLock", "running_host", "_said", "_whole", "_replace", "_SAID_BYTES_MAX", "_READINGS_MAX", "_PAGE"]),
    (H + "publication/record.py", H + "settings/dns.py", ["full_name"]),
    (H + "publication/settings.py", H + "settings/dns.py", ["Domain", "ServerAddress", "parse_domains", "_DOMAIN_HELP", "DOMAINS_MAX",
        "_check_domains", "_number", "_check_number", "_switch", "_invalid"]),
    (H + "publisher_link.py", H + "settings/table.py", ["checked_url"]),
    (H + "views.py", H + "eventlog/view.py", ["event_view"]),
    (C + "main.py", C + "application.py", ["ROOMS", "HELP", "application", "installed_rooms", "_show_version", "_root"]),
    (C + "completion.py", C + "slmgr/completion.py", ["slmgr_application", "_switches"]),
    (C + "host_dns.py", C + "host/open.py", ["OpenedPublication", "Opener"]),
]
DOCS = {
    H + "settings/limits.py": "The limits of a KMS host: how many connections, waiting requests and seconds it grants.",
    H + "settings/paths.py": "The files of a KMS host's state folder, and where that folder is.",
    H + "process/lock.py": "The lock of a KMS host's state folder: one running host each, and what it tells of itself.",
    H + "eventlog/view.py": "An event as JSON and text show it: what the export, the commands and the API print.",
    C + "application.py": "The command line: one group for each actor, each imported only when it is asked for.",
    C + "slmgr/completion.py": "Shell completion of slmgr's switches.",
}
INITS = {
    H + "settings/__init__.py": "Settings of a KMS host: the table of settings, their values, which source wins, and the files of the state folder.",
    H + "identity/__init__.py": "Identity of a KMS host: its keys, its certificate, the publisher's trust state, and how they are renewed.",
    H + "forecast/__init__.py": "Forecast of the activation count: when it will fall below a threshold, and the alert about it.",
    H + "process/__init__.py": "The operating system's process: the state lock, listening sockets, priority.",
    H + "https/__init__.py": "HTTPS server of administration: certificate, reload, connections.",
    H + "activation/__init__.py": "Activation: a request becomes a decision on disk and a signed answer.",
    H + "public/__init__.py": "TCP 1688: bytes become requests, responses become bytes, five routes.",
    H + "admin/__init__.py": "Administration: the audited operations behind commands and API; backup, restore, configuration.",
    H + "monitoring/__init__.py": "Monitoring of a KMS host: readiness, metrics, doctor.",
    H + "admin_api/__init__.py": "TCP 1689: authentication, routes and console of administration.",
    H + "server/__init__.py": "The running KMS host: composition root, signals, and the work beside answering.",
    C + "client/__init__.py": "Commands of the KMS client.",
    C + "common/__init__.py": "What several command groups share: output, configuration reports, completion, roles, variables.",
    C + "demo/__init__.py": "The demo: a publisher, a KMS host and a fleet on one machine.",
    C + "doctor/__init__.py": "The doctor: every check in order, with the fix.",
    C + "host/__init__.py": "Commands of the KMS host.",
    C + "publisher/__init__.py": "Commands of the publisher.",
    C + "services/__init__.py": "Installation of systemd services.",
    C + "slmgr/__init__.py": "`quorate-slmgr`: slmgr's own switches.",
    "src/quorate/client/attempt/__init__.py": "Activation attempt: find a host, ask, verify, record; once or as an agent.",
    "src/quorate/client/doctor/__init__.py": "The client's part of the doctor.",
    "src/quorate/client/settings/__init__.py": "Settings of a KMS client: variables and the configuration file.",
    "src/quorate/client/storage/__init__.py": "The client's record on disk: its form, its files, its lock, its status.",
    "src/quorate/client/transport/__init__.py": "HTTP to a KMS host: one request, one response.",
}
DATA = [(H + "console/templates", H + "admin_api/console/templates"), (H + "console/static", H + "admin_api/console/static")] + [
    (C + "units/" + n, C + "services/units/" + n) for n in ()]
KEEP_LINES: tuple[str, ...] = ()
STRINGS: list[tuple[str, str, str]] = []
RMDIRS = [H + "console", H + "export", C + "units"]
DATA += [(C + "units/" + n, C + "services/units/" + n) for n in ("quorate-client.service", "quorate-host.service", "quorate-host.socket")]
