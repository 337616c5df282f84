"""A file with every key there is."""

EVERY_KEY = """\
maglev:
  healthchecker:
    transition-history: 10
    netns: dataplane
    tunnel-device: probe-gre
    tunnel-mark: 777
    blindness: {share: 60%, window: 20s, hold: 10m, canary: imap2}
  vpp:
    lb:
      ipv4-src-address: 192.0.2.1
      ipv6-src-address: 2001:DB8:0::1
      sync-interval: 1m
      sticky-buckets-per-core: 131_072
      flow-timeout: 2m
      startup-min-delay: 0s
      startup-max-delay: 0
      foreign-vips: keep
      new-flows-table-length: 4096
      weights: least-moving
      weight-tolerance: 0.5%
  healthchecks:
    web:
      type: https
      port: 443
      interval: 2s
      fast-interval: 500ms
      down-interval: 1m30s
      timeout: 1.5s
      rise: 4
      fall: 5
      probe-ipv4-src: 192.0.2.2
      probe-ipv6-src: 2001:db8::2
      params:
        method: POST
        body: '{"deep": true}\\n'
        path: /health?full=1
        host: www.example.com:8443
        response-code: [200, 301-302, "404"]
        response-regexp: "^OK$"
        expect-header: {X-Health: ready}
        expect-header-regexp: {Content-Type: "^text/"}
        http2: true
        disable-on-404: true
        server-name: name.example.com
        insecure-skip-verify: true
        tls-resumption: false
    tls:
      type: tcp
      port: 993
      interval: 10ms
      timeout: 1500us
      params: {ssl: yes, server-name: imap.example.com}
      via: vip
    rpc: {type: grpc, port: 50051, interval: 1s, timeout: 1s, params: {service: shop.v1.Cart, host: rpc.example}}
    ping: {type: icmp, interval: 24h, timeout: 24h}
  backends:
    www1: {address: 198.51.100.1, healthcheck: web}
    imap1: {address: "2001:db8:0:0::25", healthcheck: tls, enabled: off}
    imap2: {address: "2001:db8::26", healthcheck: ping}
    static: {address: 198.51.100.9}
    both: {address: 198.51.100.10, healthcheck: {checks: [web, ping, tls, rpc], require: 2}}
  frontends:
    web:
      description: |
        The web
          site
      address: 203.0.113.80
      protocol: tcp
      port: 443
      src-ip-sticky: true
      flush-on-down: false
      when-none-eligible: hold
      failback-delay: 30s
      new-flows-table-length: 65536
      pools:
        - name: primary
          backends:
            www1: {weight: 10}
        - name: last-resort
          min-up: 33.5%
          backends:
            static:
            both: {weight: 5}
    mail:
      address: 2001:db8::80
      pools: [{name: all, backends: {imap1: {}, imap2: {weight: 0}}}]
  announce:
    vpp-lost-delay: 20s
    addresses:
      - {address: 203.0.113.80, frontends: all, min-up: 2, after: 5s, when-held: no}
      - address: 2001:db8:0::80
    bird: {include-file: /run/maglev-bird/addresses.conf, control-socket: /run/bird.ctl, reassert-interval: 1m}
    hooks:
      pager: {command: [/usr/local/bin/page, --to, ops], events: all}
      exabgp: {socket: /run/vpp-maglev/announce.sock}
"""
