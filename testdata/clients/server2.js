// A server of npm @modelcontextprotocol/server 2.x, of both eras: node server2.js PORT over HTTP, without one over stdio.
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { createMcpHandler, fromJsonSchema, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

const inputSchema = fromJsonSchema({ type: 'object', properties: { message: { type: 'string' } }, required: ['message'] });

function make() {
  const server = new McpServer({ name: 'doorward-interop', version: '1.0.0' }, { capabilities: { tools: {} } });
  server.registerTool('echo', { description: 'Says it again', inputSchema }, async ({ message }) => ({ content: [{ type: 'text', text: `Echo: ${message}` }] }));
  return server;
}

const port = process.argv[2];
if (!port) {
  serveStdio(make);
} else {
  const handler = createMcpHandler(make);
  createServer(async (req, res) => {
    const init = { method: req.method, headers: new Headers(Object.entries(req.headers).map(([k, v]) => [k, String(v)])) };
    if (req.method !== 'GET' && req.method !== 'HEAD') Object.assign(init, { body: Readable.toWeb(req), duplex: 'half' });
    const answer = await handler.fetch(new Request(`http://127.0.0.1:${port}${req.url}`, init));
    res.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body) Readable.fromWeb(answer.body).pipe(res);
    else res.end();
  }).listen(Number(port), '127.0.0.1');
}
