"""Test doubles, test data and the tools that several tests share. This page is their map.

A fake here never decides what is right: the last column names the test that holds it against the real thing, or the
real thing that it is made of. Fixtures that one folder shares are in that folder's ``conftest.py``.

==================  ===================================================  ==============================================
module              stands for (interface)                               held against the real thing by
==================  ===================================================  ==============================================
**Health checks**
probers             a prober, its source (`IProber`)                     healthcheck/test_service (verifyObject)
probe_io            sockets, opener, poller and connection of a prober   real/test_probers_real does the same for real
checker             (a real checker over ``probers``)                    real parts but for ``probers`` and the clock
workers             worker processes: channel, life and death            real/test_workers_real
icmp                packets as ICMP sockets deliver them                 real/test_probers_real
tls_bench           a TLS backend: OpenSSL's server side, in memory      real parts; real/test_probers_real
peers               backends that misbehave, on real sockets             (real) network namespaces, too
nginx, fleet        backends: one nginx, or one for each address         (real)
web_servers         nginx, Apache, HAProxy: say what they were asked     (real)
http_zoo            odd HTTP answers, and a HAProxy to judge them        (real)
agent_zoo           agents of every kind, and a HAProxy that asks them   (real)
frames              frames of HTTP/2 as servers send them, good and bad  real/test_grpc_real, real/test_http_real
http_answers        the head of an answer, and the verdict on pieces     (real) `Answer`
gre_lab             a host with a tunnel, and a backend that takes       (real) network namespaces
                    GRE off
ports               ports that nobody else takes                         (real)
slow_backends       backends that answer late, on all of 127.0.0.0/8     (real)
certificates        a certificate authority                              (real) X.509 from ``cryptography``
**VPP**
fake_vpp            VPP's end of the API, scripted (`ITCPTransport`)     real/test_vpp_api; ``vpp_papi`` encodes
lb                  the load balancer: VIPs, servers, every write        real/test_reconcile_real
known_vpp           what VPP is known to hold, for a reload              (a value) `VppService.known`
stats               a stats segment with given numbers                   real/test_counters_real
memory_link         the connection to a simulator (`ITCPTransport`)      real/test_reconcile_real
memory_client       a client of a simulator (`ITCPTransport`)            real/test_simulator_process
vpp_instance        a private VPP: simulated here, in a process, real    real/test_contract_vpp runs against each
papi, papi_client   VPP's own Python client, to look past our code       (real)
weight_watch        a watcher of VPP's weights                          (real)
facts               what is known, for judging what the sync does     vpp/sync/test_convergence holds sync to it
vpp_bench           (the real VPP service over ``lb``)                   real parts but for ``lb`` and the clock
traffic             (the real service over a simulator that counts)      real/test_counters_real
plans               plans as flat lists of operations                    (a view)
lab, lab_vpp,       a real VPP with clients and backends in              (real) real/test_packets
lab_backend,        network namespaces, and records of each connection
lab_traffic,
lab_records
flow_lab            a real VPP, and where it sends each of many flows     (real) real/test_flows
bird                BIRD, ExaBGP, and a BGP peer that remembers          (real)
memory_bird         a BIRD that does what it is told (UNIX socket)       real/test_bird runs the real one
announced_site      maglevd between a VPP and a router that outlive it   announce/test_what_vpp_serves
announcements       an announcer, and a VPP that holds what a test says  announce/test_announcer
**Control and front ends**
control             the control interface, for consoles (`IControl`)     commands/test_session (verifyObject)
world               what ``control`` tells of: its views, and new ones   commands/test_contract
control_setup       (the real verbs over a board and ``lb``)             real parts but for VPP, the file and the clock
haproxy_import      a file of HAProxy's, and what the import made of it  (a view)
pb_control          the control interface, for PB (`IControl`)           rpc/test_perspective (verifyObject)
environment         what surrounds a command session                     ssh/test_batch, maglevc/test_streams
console             an SSH console over ``control``; also a program      real/test_ssh
ssh                 an SSH client without ciphers                        ssh/test_transport, real/test_ssh
ssh_client          Conch's client, joined in memory                     (real) Conch
ssh_process         the SSH console in a process, with OpenSSH's client     (real)
screen              a terminal                                           real/test_ssh, real/test_maglevc with tmux
demonstration       (the demonstration in a process)                     (real)
pb_rig              PB service and clients without sockets               real/test_maglevc, rpc/test_listening
pb_daemon           PB over the real verbs, as a process                 (real) VPP is switched off
attackers           everything that strangers do to all ports at once    (real) a process
http                an HTTP client over a transport in memory            real/test_programs with curl
web                 (the real page over real verbs, and its reader)      real/test_web with a browser
browser             Chromium, driven by playwright-core in Node           (real)
metrics             what a scrape says, read by Prometheus's library     real/test_programs with promtool
subscribers         a subscriber of the board, which records             state/test_board
**Processes and the reactor**
reactor, clocks     the reactor: time, threads, a stall                  Twisted's MemoryReactorClock and Clock
daemon_parts        maglevd's options and start, inside the test         real/test_programs
whole_daemon        (all of maglevd over ``lb``, with scripted answers)  real parts but for VPP, probers and the clock
names               configurations with DNS names, and answers           resolver/test_answer
daemon, program     maglevd, or any program of ours, as a process        (real)
forked              a double in a process, forked instead of started     (real)
shell               a machine of its own, with a shell                   (real) network, mount and process namespaces
**Data and looks**
configs, files,     configurations: in code, as text, large, random, bad
large, file_parts,
bad_files,
bad_syntax,
bad_settings,
bad_checks,
bad_probes,
bad_frontends,
random_boards,
random_sites,
odd_configs,
random_reloads,     values of every form, for every kind
values
views,              views as the control interface gives them; and
json_schema,        what editors and other YAML parsers see
yaml_views
logs                the log events of a test
overrides           orders of operators around a board
outcomes            results of Deferreds, coroutines, work in steps
descriptors         descriptors that a test leaves open
==================  ===================================================  ==============================================
"""
