// npm @modelcontextprotocol/client 2.x in a web page of another origin: every request of its OAuth client and of its
// transport is one that the browser holds against CORS. What came of it stands in the element with the id `done`.
import { UnauthorizedError } from '@modelcontextprotocol/client';
import { Keeper } from './provider.js';
import { sdk2 } from './sdk2.js';

// Stored keeps what the provider has over the redirect.
class Stored extends Keeper {
  constructor(...args) {
    super(...args);
    const slot = 'kept';
    this.kept = JSON.parse(sessionStorage.getItem(slot) ?? '{}');
    this.store = () => sessionStorage.setItem(slot, JSON.stringify(this.kept));
  }
  redirectToAuthorization(address) {
    super.redirectToAuthorization(address);
    this.store();
    location.assign(address);
  }
}

const asked = new URLSearchParams(location.search);
const resource = sessionStorage.getItem('resource') ?? asked.get('resource');
sessionStorage.setItem('resource', resource);
const sdk = sdk2(resource);
const keeper = new Stored(`${location.origin}/callback`, 'Web page');
const done = document.querySelector('#done');

try {
  if (location.pathname === '/callback') {
    if (asked.get('state') !== keeper.kept.state) throw new Error('the state is not ours');
    await sdk.finish(keeper, new URL(location.href));
  }
  const client = await sdk.connect(keeper);
  const { tools } = await client.listTools();
  const { content } = await client.callTool({ name: 'add', arguments: { a: 1, b: 2 } });
  const slow = await client.callTool({ name: 'slow', arguments: { steps: 2, delay_ms: 10 } });
  done.textContent = JSON.stringify({ tools: tools.map((t) => t.name), content, slow: slow.content, revision: sdk.revision(client) });
} catch (e) {
  if (!(e instanceof UnauthorizedError)) done.textContent = JSON.stringify({ error: String(e.stack) });
}
