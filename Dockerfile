# maglevd in a container: the Debian packages of this checkout, and what they depend on. docs/install.rst says how to run
# it, without capabilities and with them.

FROM debian:trixie-slim AS build
# Which versions: those of the release, with its security updates.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends \
        build-essential ca-certificates debhelper python3-pip python3-setuptools python3-venv python3-wheel
WORKDIR /build/source
COPY . .
RUN dpkg-buildpackage --build=binary --no-sign

FROM debian:trixie-slim
COPY --from=build /build/*.deb /tmp/
# The example of a configuration is taken away: a container to which none was given says so, and ends. The group root may
# write to the folders, for the variant that runs as root without the right to write everywhere.
# hadolint ignore=DL3008
RUN groupadd --system --gid 800 maglevd \
    && useradd --system --uid 800 --gid 800 --home-dir /var/lib/vpp-maglev --shell /usr/sbin/nologin maglevd \
    && apt-get update \
    && apt-get install --yes --no-install-recommends /tmp/vpp-maglev_*.deb /tmp/vpp-maglevd_*.deb \
    && rm -rf /tmp/*.deb /var/lib/apt/lists/* /etc/vpp-maglev/maglev.yaml \
    && install --directory --owner=maglevd --group=root --mode=0770 /run/vpp-maglev /var/lib/vpp-maglev
USER 800:800
VOLUME ["/var/lib/vpp-maglev"]
# Does it answer? Whether backends are up is another question, and no reason to stop it.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["maglevc", "show", "version"]
ENTRYPOINT ["/usr/sbin/maglevd"]
