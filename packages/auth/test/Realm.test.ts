import * as Origin from "@effect-oci/transport/Origin"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Realm from "../src/Realm.js"

const judge = (registry: string, realm: string, trusted?: ReadonlyArray<string>) =>
  Effect.map(Realm.judge(Origin.parse(registry)!, realm, trusted), ({ _tag }) => _tag)

describe("Realm.judge", () => {
  const cases: ReadonlyArray<readonly [registry: string, realm: string, verdict: Realm.Verdict["_tag"]]> = [
    // Docker Hub and other common registries.
    ["https://registry-1.docker.io", "https://auth.docker.io/token", "Trusted"],
    ["https://ghcr.io", "https://ghcr.io/token", "Trusted"],
    ["https://registry.gitlab.com", "https://gitlab.com/jwt/auth", "Trusted"],
    ["https://registry.digitalocean.com", "https://api.digitalocean.com/v2/registry/auth", "Trusted"],
    ["https://registry.cn-hangzhou.aliyuncs.com", "https://dockerauth.cn-hangzhou.aliyuncs.com/auth", "Trusted"],
    ["https://gcr.io", "https://gcr.io/v2/token", "Trusted"],
    ["https://europe-docker.pkg.dev", "https://europe-docker.pkg.dev/v2/token", "Trusted"],
    ["https://quay.io", "https://quay.io/v2/auth", "Trusted"],
    ["https://team.azurecr.io", "https://team.azurecr.io/oauth2/token", "Trusted"],
    ["https://team.jfrog.io", "https://team.jfrog.io/artifactory/api/docker/local/v2/token", "Trusted"],
    ["https://public.ecr.aws", "https://public.ecr.aws/token/", "Trusted"],
    ["https://r.ns.svc.cluster.local", "https://r.ns.svc.cluster.local:8443/token", "Trusted"],
    // The same origin, in another spelling, or by an address.
    ["https://registry.example.com", "https://Registry.Example.com.:443/token?a=b", "Trusted"],
    ["http://localhost:5000", "http://localhost:5000/token", "Trusted"],
    ["http://[::1]:5000", "http://[0::1]:5000/token", "Trusted"],
    // The same registrable domain.
    ["https://registry.example.com", "https://auth.example.com/token", "Trusted"],
    ["https://registry.example.com", "https://example.com:8443/token", "Trusted"],
    ["http://registry.example.com", "https://auth.example.com/token", "Trusted"],
    ["https://a.example.co.uk", "https://b.example.co.uk/token", "Trusted"],
    // Another domain, however similar.
    ["https://registry.example.com", "https://evil.example/token", "Foreign"],
    ["https://registry.example.com", "https://registry.example.com.evil.example/token", "Foreign"],
    ["https://registry.example.com", "https://evilexample.com/token", "Foreign"],
    ["https://registry.example.com", "https://example.com.evil.example/", "Foreign"],
    ["https://registry.example.com", "https://registry.exаmple.com/token", "Foreign"],
    ["https://a.example.co.uk", "https://a.co.uk/token", "Foreign"],
    ["https://a.co.uk", "https://b.co.uk/token", "Foreign"],
    ["https://good.github.io", "https://evil.github.io/token", "Foreign"],
    ["https://good.s3.amazonaws.com", "https://evil.s3.amazonaws.com/token", "Foreign"],
    ["https://com", "https://com.com/token", "Foreign"],
    // Different tenants of one domain.
    ["https://good.azurecr.io", "https://evil.azurecr.io/token", "Foreign"],
    ["https://good.azurecr.io", "https://good.evil.azurecr.io/token", "Foreign"],
    ["https://us-docker.pkg.dev", "https://evil.pkg.dev/token", "Foreign"],
    ["https://good.jfrog.io", "https://evil.jfrog.io/token", "Foreign"],
    ["https://registry.10.0.0.1.nip.io", "https://auth.192.0.2.1.nip.io/token", "Foreign"],
    ["https://registry.10-0-0-1.sslip.io", "https://evil.sslip.io/token", "Foreign"],
    ["https://registry.team.svc.cluster.local", "https://evil.other.svc.cluster.local/token", "Foreign"],
    ["https://registry.team.svc.cluster.local", "https://evil.team.svc.cluster.local/token", "Foreign"],
    ["https://1.dkr.ecr.us-east-1.amazonaws.com", "https://2.dkr.ecr.us-east-1.amazonaws.com/token", "Foreign"],
    ["https://ip-10-0-0-1.ec2.internal", "https://ip-10-0-0-2.ec2.internal/token", "Foreign"],
    ["https://good.eastus.cloudapp.azure.com", "https://evil.eastus.cloudapp.azure.com/token", "Foreign"],
    ["https://good.herokuapp.com", "https://evil.herokuapp.com/token", "Foreign"],
    ["https://azurecr.io", "https://evil.azurecr.io/token", "Foreign"],
    ["https://registry.evilazurecr.io", "https://auth.evilazurecr.io/token", "Trusted"],
    // Addresses and names without a domain trust only themselves.
    ["https://127.0.0.1:5000", "https://127.0.0.1:5001/token", "Foreign"],
    ["https://10.0.0.1", "https://10.0.0.2/token", "Foreign"],
    ["https://[::1]", "https://[::2]/token", "Foreign"],
    ["https://localhost:5000", "https://localhost:5001/token", "Foreign"],
    ["https://registry", "https://auth/token", "Foreign"],
    // Never from https to http, and never to another origin on http.
    ["https://registry.example.com", "http://registry.example.com/token", "Refused"],
    ["https://registry.example.com", "http://auth.example.com/token", "Refused"],
    ["http://localhost:5000", "http://localhost:5001/token", "Refused"],
    ["http://registry.example.com", "http://auth.example.com/token", "Refused"],
    ["http://registry.example.com", "http://evil.example/token", "Refused"],
    // Invalid URLs, and URLs that hide their origin.
    ["https://registry.example.com", "https://registry.example.com@evil.example/token", "Refused"],
    ["https://registry.example.com", "https://user:secret@auth.example.com/token", "Refused"],
    ["https://registry.example.com", "/token", "Refused"],
    ["https://registry.example.com", "", "Refused"],
    ["https://registry.example.com", "registry.example.com", "Refused"],
    ["https://registry.example.com", "ftp://auth.example.com/token", "Refused"],
    ["https://registry.example.com", "file:///etc/passwd", "Refused"],
    ["https://registry.example.com", "javascript:alert(1)", "Refused"],
    ["https://registry.example.com", "https://[fe80::1%25eth0]/token", "Refused"]
  ]
  it.effect.each(cases)(
    "judges, for the registry %s, the realm %s as %s",
    ([registry, realm, verdict]) =>
      Effect.gen(function*() {
        expect(yield* judge(registry, realm)).toBe(verdict)
      })
  )

  const trusted: ReadonlyArray<readonly [trusted: string, realm: string, verdict: Realm.Verdict["_tag"]]> = [
    ["https://auth.example.net", "https://auth.example.net/any?x=y", "Trusted"],
    ["https://auth.example.net/token", "https://auth.example.net/token?x=y", "Trusted"],
    ["https://auth.example.net/token", "https://auth.example.net/other", "Foreign"],
    ["https://auth.example.net:444", "https://auth.example.net/token", "Foreign"],
    ["https://example.net", "https://auth.example.net/token", "Foreign"],
    ["http://auth.example.net", "https://auth.example.net/token", "Foreign"],
    ["auth.example.net", "https://auth.example.net/token", "Foreign"]
  ]
  it.effect.each(trusted)(
    "judges, with trustedRealms %s, the realm %s as %s",
    ([other, realm, verdict]) =>
      Effect.gen(function*() {
        expect(yield* judge("https://registry.example.com", realm, [other])).toBe(verdict)
      })
  )

  it.effect("trusts a named realm on http for a registry on http only", () =>
    Effect.gen(function*() {
      const trusted = ["http://localhost:5001"]
      expect(yield* judge("http://localhost:5000", "http://localhost:5001/token", trusted)).toBe("Trusted")
      expect(yield* judge("https://localhost:5000", "http://localhost:5001/token", trusted)).toBe("Refused")
    }))

  it("formats a realm without its query", () => {
    expect(Realm.format("https://user:CANARY@auth.example.com/token?x=CANARY#CANARY")).toBe(
      "https://auth.example.com/token"
    )
    expect(Realm.format(new URL("data:CANARY"))).toBe("data:")
    expect(Realm.format("not a URL")).toBe("not a URL")
  })
})
