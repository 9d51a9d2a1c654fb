import { describe, expect, it } from "@effect/vitest"
import { Redacted } from "effect"
import * as proxyRules from "../src/internal/proxyRules.js"

describe("a proxy", () => {
  const cases: ReadonlyArray<readonly [text: string, url: string | undefined, login: string | undefined]> = [
    ["127.0.0.1:8080", "http://127.0.0.1:8080/", undefined],
    ["proxy.example.com:3128", "http://proxy.example.com:3128/", undefined],
    ["proxy.example.com", "http://proxy.example.com/", undefined],
    ["localhost", "http://localhost/", undefined],
    ["[::1]:3128", "http://[::1]:3128/", undefined],
    ["https://proxy.example.com", "https://proxy.example.com/", undefined],
    ["HTTP://proxy.example.com:3128/", "http://proxy.example.com:3128/", undefined],
    ["socks5://127.0.0.1", "socks5://127.0.0.1", undefined],
    ["user:s%40crt@proxy.example.com:3128", "http://proxy.example.com:3128/", "user:s@crt"],
    ["http://user@proxy.example.com", "http://proxy.example.com/", "user:"],
    ["http://us%zzer:ü@proxy.example.com", "http://proxy.example.com/", "us%zzer:ü"],
    ["ftp://proxy.example.com", undefined, undefined],
    ["foo://proxy.example.com", undefined, undefined],
    ["http://", undefined, undefined],
    ["http://proxy.example.com:port", undefined, undefined],
    ["two words", undefined, undefined]
  ]
  it.each(cases)("parses %s to %s", (text, url, login) => {
    const parsed = proxyRules.parse(text)
    expect(parsed?.url.href).toBe(url)
    const authorization = parsed?.login?.authorization
    expect(authorization === undefined ? undefined : Redacted.value(authorization)).toBe(
      login === undefined ? undefined : `Basic ${Buffer.from(login).toString("base64")}`
    )
  })
})

const rules = (noProxy: string) =>
  proxyRules.make({ http: proxyRules.parse("http.example"), https: proxyRules.parse("https.example"), noProxy })

const isProxied = (noProxy: string, url: string) => rules(noProxy)(new URL(url)) !== undefined

it("http and https each use only their own proxy", () => {
  expect(rules("")(new URL("http://registry.test/"))?.name).toBe("http.example")
  expect(rules("")(new URL("https://registry.test/"))?.name).toBe("https.example")
  const http = proxyRules.make({ http: proxyRules.parse("http.example"), https: undefined, noProxy: "" })
  expect(http(new URL("https://registry.test/"))).toBeUndefined()
})

describe("without NO_PROXY", () => {
  const cases: ReadonlyArray<readonly [host: string, proxied: boolean]> = [
    ["registry.test", true],
    ["localhost", false],
    ["localhost:5000", false],
    ["LOCALHOST", false],
    ["127.0.0.1:5000", false],
    ["127.0.0.2", false],
    ["127.1", false],
    ["0x7f000001", false],
    ["[::1]:5000", false],
    ["[::ffff:127.0.0.1]", false],
    ["[::2]", true],
    ["10.0.0.1", true],
    ["localhost.test", true],
    ["local.localhost", true]
  ]
  it.each(cases)("%s goes through the proxy: %s", (host, proxied) => {
    expect(isProxied("", `http://${host}/`)).toBe(proxied)
    expect(isProxied("", `https://${host}/`)).toBe(proxied)
  })
})

describe("a list of several kinds of entries", () => {
  const list = "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, " +
    "2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64"
  const cases: ReadonlyArray<readonly [host: string, proxied: boolean]> = [
    ["192.168.1.1", false],
    ["192.168.1.2", true],
    ["192.168.1.3", false],
    ["192.168.1.4", true],
    ["10.0.0.2", false],
    ["10.0.0.4", true],
    ["[::ffff:10.0.0.2]", false],
    ["[2001:db8::52:0:1]", false],
    ["[2001:db8:0::52:0:1]", false],
    ["[2001:db8::52:0:2]", true],
    ["[2001:db8::52:0:3]", false],
    ["[2002:db8:a::123]", false],
    ["[fe80::424b:c8be:1643:a1b6]", true],
    ["barbaz.net", true],
    ["www.barbaz.net", false],
    ["foobar.com", false],
    ["FooBar.com", false],
    ["www.foobar.com", false],
    ["foofoobar.com", true],
    ["wildcard.io", true],
    ["nested.wildcard.io", false],
    ["awildcard.io", true]
  ]
  it.each(cases)("%s goes through the proxy: %s", (host, proxied) => {
    expect(isProxied(list, `http://${host}/`)).toBe(proxied)
    expect(isProxied("*", `http://${host}/`)).toBe(false)
  })
})

describe("an entry", () => {
  const cases: ReadonlyArray<readonly [noProxy: string, url: string, proxied: boolean]> = [
    ["registry.test:5000", "http://registry.test:5000/", false],
    ["registry.test:5000", "http://registry.test/", true],
    ["registry.test:443", "https://registry.test/", false],
    ["registry.test:443", "http://registry.test/", true],
    [".test:5000", "http://registry.test:5000/", false],
    [".test:5000", "http://registry.test/", true],
    ["registry.test:", "http://registry.test/", false],
    ["[2001:db8::1]", "http://[2001:db8::1]/", false],
    ["other.test, *", "http://registry.test/", false],
    [" REGISTRY.test ,", "http://registry.test/", false],
    [".示例.com", "http://www.示例.com/", false],
    ["xn--fsq092h.com", "http://www.示例.com/", false],
    ["示例.com", "http://www.xn--fsq092h.com/", false],
    ["10.0.0.0/33", "http://10.0.0.1/", true],
    ["10.0.0.0/8", "http://[2001:db8::1]/", true],
    ["10", "http://10.0.0.1/", true],
    [":1", "http://registry.test:1/", true],
    [".", "http://registry.test/", true],
    ["", "http://registry.test/", true]
  ]
  it.each(cases)("%j: %s goes through the proxy: %s", (noProxy, url, proxied) => {
    expect(isProxied(noProxy, url)).toBe(proxied)
  })
})
